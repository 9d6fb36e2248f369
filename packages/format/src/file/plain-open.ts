/** How a file is opened whose name may be anybody's. */
import { constants } from "node:fs";

/** No link is followed, as its target may change, and no pipe is waited for. Windows has neither flag. */
export const PLAIN: number = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
