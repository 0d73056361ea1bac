export const SUBJECT_KINDS = ["hello", "result", "error", "enroll", "command", "other"] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

const EVENTS: ReadonlyMap<string | undefined, SubjectKind> = new Map(
  (["hello", "result", "error", "enroll"] as const).map((event) => [event, event]),
);

/**
 * The subject of a rejected message may be no valid one, so it is looked at from its end and not with
 * `parseSubject`. Whatever it is, it becomes one of a few words.
 */
export function subjectKind(subject: string): SubjectKind {
  const [direction, method] = subject.split(".").slice(-2);
  if (direction === "command") return "command";
  return (direction === "event" ? EVENTS.get(method) : undefined) ?? "other";
}
