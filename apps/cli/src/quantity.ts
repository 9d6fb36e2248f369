/** Numbers as people read them. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** `10.1 MB`, in powers of 1000; bytes below 10 kB exactly. */
export function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit]}`;
}

/** `0.42 s`, `12.3 s`, `4 min 10 s`. */
export function formatSeconds(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** `5,036,512`. By hand: the host's own formatting takes 50 ms to load. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/(?<=\d)(?=(\d{3})+$)/g, ",");
}
