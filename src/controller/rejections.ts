import type { Logger } from "../runtime/logger.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import type { CommandRecorder } from "./ports.ts";

/** Malformed messages: each subject and reason is logged once, and every one is counted. */
export class Rejections {
  readonly #notices: NoticeLog;
  readonly #recorder: Pick<CommandRecorder, "rejected"> | undefined;

  constructor(logger: Logger, recorder?: Pick<CommandRecorder, "rejected">) {
    this.#notices = new NoticeLog(logger);
    this.#recorder = recorder;
  }

  note(subject: string, reason: string): void {
    this.#recorder?.rejected(subject);
    this.#notices.note(subject, reason, "malformed message rejected");
  }
}
