/** A name that a shell can give to a variable. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What shells exit with that cannot start what they are to. */
const CANNOT_WORK_THERE = 126;

/** What a command's environment may have. */
export function isVariableName(name: string): boolean {
  return VARIABLE.test(name);
}

/**
 * The script by which a command comes by its folder and its environment, for a POSIX shell that reads it as its
 * standard input and has already given up all rights that the command is not to have. Its arguments are the program, with a
 * slash in it, and the program's arguments; the command's stdin is its descriptor 7.
 *
 * The folder is gone to with the command's own rights: with more, a link that is changed at the right moment, or
 * /proc/self/cwd, would lead into a folder that the command may not get to. Where that fails the shell exits with 126.
 * Nothing that runs with more rights than the command has this environment: it would do what LD_PRELOAD says.
 * Nor is it in arguments, which every user of a machine can read. What a shell keeps for itself, such as
 * bash's UID, the command has as that shell has it. Pure.
 */
export function launchScript(env: Readonly<Record<string, string>>, workingDir: string): string {
  const variables = Object.entries(env).filter(([name]) => isVariableName(name));
  return [
    // Physically, as the kernel does for any process; then by the name that was asked for.
    `cd -P ${quoted(workingDir)} || exit ${CANNOT_WORK_THERE}`,
    `PWD=${quoted(workingDir)}`,
    "unset OLDPWD",
    // What the shell has to say about a value, such as of a locale that is not there, is not the command's.
    "exec 8>&2 2>/dev/null",
    // By `command`, a variable that cannot be set does not end the shell.
    ...variables.map(([name, value]) => `command export ${name}=${quoted(value)}`),
    'exec "$@" <&7 2>&8 7<&- 8>&-\n',
  ].join("\n");
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
