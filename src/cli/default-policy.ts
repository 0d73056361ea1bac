/** The policy file of a fresh node: the agent's DEFAULT_POLICY, and how to make it narrower. */
export const DEFAULT_POLICY_TEXT = `# What this node lets be done. The node has the last word on that, and not the cluster.
# The first rule that matches a command decides; a command that no rule matches is denied.
# A change is heeded from the next command on. The file must belong to root or to the agent's
# user, and nobody else may be able to write to it. All of it: docs/policy.md.
version: 1

# As whom a command runs that names no user (spec.runAs), if the agent runs as root. Any other
# agent runs all commands as itself.
defaultUser: nobody

rules:
  - name: no-root
    action: deny
    methods: ["*"]
    users: [root]

  # Every method, as the default user. Whoever may send commands to this node can run what they
  # like as that user. Take this rule out, and such as the ones below in, to allow less.
  - name: everything
    methods: ["*"]

#  - name: ping
#    methods: [ping]
#
#  - name: shell-for-ops
#    methods: [shellcommand]
#    users: [ops]               # as whom it may run; ["*"] is anybody but root
#    maxTimeout: 1h
#
#  - name: disk-tools           # one program, its arguments one by one; no variables of its own
#    methods: [exec]
#    argv: [/usr/bin/df, {pattern: "-[a-zA-Z]+"}, {path: /mnt}]
#
#  - name: restart-a-service
#    methods: [exec]
#    users: [root]              # and the rule no-root has to go
#    argv: [/usr/bin/systemctl, restart, {oneOf: [nginx, chrony]}]
`;
