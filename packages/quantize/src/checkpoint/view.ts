/**
 * A small algebra for "where a sealed tensor lies in a checkpoint": a view is a strided box in one stored tensor. Fused,
 * packed, transposed and interleaved layouts are all views, so splitting them is reading them.
 */

/** One dimension of a view; the stride is in elements of the stored tensor. */
export interface Axis {
  readonly size: number;
  readonly stride: number;
}

/** A box in the stored tensor named `tensor`, which must have exactly `shape`. The last axis is the fastest in the result. */
export interface View {
  readonly kind: "view";
  readonly tensor: string;
  readonly shape: readonly number[];
  /** First element. */
  readonly offset: number;
  readonly axes: readonly Axis[];
}

/** A stored tensor as it is. */
export function whole(tensor: string, ...shape: readonly number[]): View {
  let stride = 1;
  const axes = shape
    .toReversed()
    .map((size) => {
      const axis = { size, stride };
      stride *= size;
      return axis;
    })
    .toReversed();
  return { kind: "view", tensor, shape, offset: 0, axes };
}

/** `count` indices of an axis, from `from` on, every `step`-th. */
export function slice(view: View, axis: number, from: number, count: number, step = 1): View {
  const { size, stride } = axisOf(view, axis);
  if (from < 0 || count < 1 || step < 1 || from + (count - 1) * step >= size)
    throw new RangeError(`slice [${from}, +${count}, step ${step}] of an axis of ${size} in ${view.tensor}`);
  return {
    ...view,
    offset: view.offset + from * stride,
    axes: view.axes.with(axis, { size: count, stride: stride * step }),
  };
}

/** One index of the first axis, which disappears. */
export function pick(view: View, index: number): View {
  const { offset, axes } = slice(view, 0, index, 1);
  return { ...view, offset, axes: axes.slice(1) };
}

/** Splits the first axis in two, the second of `inner`. */
export function split(view: View, inner: number): View {
  const { size, stride } = axisOf(view, 0);
  if (size % inner !== 0) throw new RangeError(`an axis of ${size} in groups of ${inner} in ${view.tensor}`);
  const groups = { size: size / inner, stride: stride * inner };
  return { ...view, axes: [groups, { size: inner, stride }, ...view.axes.slice(1)] };
}

/** Exchanges the last two axes. */
export function transpose(view: View): View {
  const last = view.axes.length - 1;
  return { ...view, axes: view.axes.with(last, axisOf(view, last - 1)).with(last - 1, axisOf(view, last)) };
}

function axisOf({ tensor, axes }: View, axis: number): Axis {
  const found = axes[axis];
  if (!found) throw new RangeError(`axis ${axis} of ${axes.length} in ${tensor}`);
  return found;
}

/** Elements in the view. */
export const elementsOf = ({ axes }: View): number => axes.reduce((n, { size }) => n * size, 1);
