/** The clocks of a contest, in seconds. */

export type Clock = () => number;

/** The one on the wall: what a user feels, and what neighbours on the machine take. */
export const wall: Clock = () => performance.now() / 1000;

/**
 * What this process has spent on cores: leaves out the time that neighbours had them, though not what they did to caches and memory. Only for
 * one thread: threads that spin while they wait spend, too. Node only.
 */
export const cores: Clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** The clock of a name. Throws Error for any other. */
export function clockOf(name: string | undefined): Clock {
  if (name === "wall") return wall;
  if (name === "cores") return cores;
  throw new Error(`there is no clock "${name}": wall or cores`);
}
