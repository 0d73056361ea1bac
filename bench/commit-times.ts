import { DatabaseSync } from "node:sqlite";

/** More than this is not kept: nobody asks for it. */
const LIMIT = 100_000;

/** From now on the milliseconds of every COMMIT of this process, of all its databases, in a list that grows. */
export function timeCommits(): number[] {
  const durations: number[] = [];
  // oxlint-disable-next-line typescript/unbound-method -- it is called on the database that it was called on
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function timed(this: DatabaseSync, sql: string): void {
    const start = performance.now();
    exec.call(this, sql);
    if (sql === "COMMIT" && durations.length < LIMIT) durations.push(performance.now() - start);
  };
  return durations;
}
