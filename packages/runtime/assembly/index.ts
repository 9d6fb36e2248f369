/** Sum of the four int32 lanes of a vector in memory. */
export function sumLanes(pointer: usize): i32 {
  const v = v128.load(pointer);
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}
