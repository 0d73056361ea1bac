/**
 * What keeps a command: a POSIX sh script, the command's parent, which does not need the agent. It runs with
 * dash, bash as sh and busybox ash, in a session of its own, as
 *
 *     sh <this script> <folder> <cgroup.procs or ""> <program with a slash in it> <arguments …>
 *
 * with the command's stdin, stdout and stderr at 0, 1 and 3, the attempt's `exit` at 4 and `wrapper` at 5, and
 * at 6 the script that makes the command's environment (see `launchScript`). The program is what gives up rights,
 * if the machine has that, then a shell with its option -s, then the command. The wrapper itself keeps the
 * rights of the agent and has an environment of the agent's making: what the command is given cannot make it
 * do anything, and what the command becomes, as another user, cannot touch it or its files.
 *
 * WHAT IS GUARANTEED
 * - The claim comes first. `pid` is made with O_EXCL (`set -C`): who does not make it runs nothing. It has
 *   its line before there is a process for the command. The folder is looked at before that: who was held up
 *   while it was removed and made again (see `AttemptFolder.remove`) has no claim to the new one.
 * - A signal to the whole group does not end the script: what can be caught is, with an action that does
 *   nothing and that, other than "ignore", the command does not inherit. SIGKILL is left, and what nobody
 *   dies of (SIGCHLD, SIGCONT, SIGURG, SIGWINCH, and the stops of terminals, which a session without one
 *   does not have). The numbers are those of all Linux machines that Node runs on.
 * - The command has the descriptors 0, 1, 2 and no other, the umask 077, and the environment of `launchScript`.
 *   Each shell sets PWD; `_` and SHLVL are bash's own.
 * - `exit` has a line "begun" before there is a process for the command, and then one with the status when
 *   that has ended, or with "none" if there was no process to be had. Being overwritten and not made, it
 *   needs no room on the disk for that. So a script that is gone and left the first line only was killed
 *   with SIGKILL.
 * - `wrapper` has what the shell itself says from the claim on, and nothing of the command. A shell reports
 *   the end by signal n as the status 128 + n, which a command can return as well, but says "Killed" and the
 *   like only of a signal. Tried with dash 0.5.12, bash 5.2 and busybox 1.35, for all signals of which a
 *   process dies: each says something of each, but for SIGINT and SIGPIPE, of which none says anything.
 *   Those two are therefore reported as the exit codes 130 and 141. bash says nothing at all when it runs
 *   with `-c`; hence a script in a file.
 */
export const WRAPPER_SCRIPT = `umask 077
trap : 1 2 3 4 5 6 7 8 10 11 12 13 14 15 16 24 25 26 27 29 30 31 \\
  34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
[ -z "$2" ] || echo 0 >"$2"
set -C
[ "$1/exit" -ef /proc/self/fd/4 ] || exit 125
echo "$$" >"$1/pid" && echo begun >&4 || exit 125
shift 2
exec 2>&5 5>&-
trap 'echo none >&4' EXIT
(exec "$@" 7<&0 0<&6 6<&- 2>&3 3>&- 4>&-)
set -- "$?"
trap - EXIT
echo "$1" >&4
exit "$1"
`;
