import {
  encodeControllerJwt,
  encodeEnrollmentJwt,
  encodeFleetAccountJwt,
  encodeOperatorJwt,
  encodeSystemAccountJwt,
  encodeSystemUserJwt,
} from "./claims.ts";
import { newKeyPair } from "./key-pair.ts";
import type { KeySetDraft } from "./key-set-draft.ts";
import { KeySetError, type KeyFile } from "./key-set-layout.ts";
import type { SeedKeys } from "./key-set-seeds.ts";
import { isGenuineJwt, readJwt } from "./user-jwt.ts";

interface JwtFile {
  /** The first is where it is made, the others hold copies. */
  readonly files: readonly KeyFile[];
  readonly encode: (keys: SeedKeys) => Promise<string>;
  /** Whose it is; undefined where that does not matter. */
  readonly subject: (keys: SeedKeys) => string | undefined;
  /** Who may have signed it. */
  readonly issuers: (keys: SeedKeys) => readonly string[];
  /** A key that it must name, for that key to be good for anything. */
  readonly names?: (keys: SeedKeys) => string;
}

const JWT_FILES: readonly JwtFile[] = [
  {
    files: ["nats/operator.jwt"],
    encode: ({ operator, operatorSigning, systemAccount }) =>
      encodeOperatorJwt({
        operator,
        signingKeys: [operatorSigning.publicKey],
        systemAccount: systemAccount.publicKey,
      }),
    subject: ({ operator }) => operator.publicKey,
    issuers: ({ operator }) => [operator.publicKey],
    names: ({ operatorSigning }) => operatorSigning.publicKey,
  },
  {
    files: ["nats/system-account.jwt"],
    encode: ({ systemAccount, operatorSigning }) =>
      encodeSystemAccountJwt(systemAccount.publicKey, operatorSigning),
    subject: ({ systemAccount }) => systemAccount.publicKey,
    issuers: operatorKeys,
  },
  {
    files: ["controller/fleet-account.jwt", "nats/fleet-account.jwt"],
    encode: ({ fleetAccount, nodeSigning, operatorSigning }) =>
      encodeFleetAccountJwt(
        {
          account: fleetAccount.publicKey,
          nodeSigningKey: nodeSigning.publicKey,
          revocations: {},
        },
        operatorSigning,
      ),
    subject: ({ fleetAccount }) => fleetAccount.publicKey,
    issuers: operatorKeys,
    names: ({ nodeSigning }) => nodeSigning.publicKey,
  },
  {
    files: ["controller/controller.jwt"],
    encode: ({ controller, fleetAccount }) =>
      encodeControllerJwt(controller.publicKey, fleetAccount),
    subject: ({ controller }) => controller.publicKey,
    issuers: ({ fleetAccount }) => [fleetAccount.publicKey],
  },
  {
    files: ["controller/system.jwt"],
    encode: ({ system, systemAccount, fleetAccount }) =>
      encodeSystemUserJwt(system.publicKey, systemAccount, fleetAccount.publicKey),
    subject: ({ system }) => system.publicKey,
    issuers: ({ systemAccount }) => [systemAccount.publicKey],
  },
  {
    files: ["controller/enrollment.jwt", "enrollment/enrollment.jwt"],
    // Nobody needs the key of a bearer.
    encode: ({ fleetAccount }) => encodeEnrollmentJwt(newKeyPair("user").publicKey, fleetAccount),
    subject: () => undefined,
    issuers: ({ fleetAccount }) => [fleetAccount.publicKey],
  },
];

/** Checks the JWTs that are there and makes those that are not. Throws a KeySetError. */
export async function completeJwts(draft: KeySetDraft, keys: SeedKeys): Promise<void> {
  for (const jwt of JWT_FILES) {
    for (const file of jwt.files) checkJwt(file, draft.get(file), { jwt, keys });
    const text = draft.firstOf(jwt.files)?.text ?? `${await jwt.encode(keys)}\n`;
    for (const file of jwt.files) draft.make(file, text);
  }
  completePublicKey(draft, "nats/system-account.pub", keys.systemAccount.publicKey);
  completePublicKey(draft, "nats/fleet-account.pub", keys.fleetAccount.publicKey);
}

function operatorKeys({ operator, operatorSigning }: SeedKeys): readonly string[] {
  return [operator.publicKey, operatorSigning.publicKey];
}

function checkJwt(
  file: KeyFile,
  text: string | undefined,
  { jwt, keys }: { readonly jwt: JwtFile; readonly keys: SeedKeys },
): void {
  if (text === undefined) return;
  if (!isGenuineJwt(text)) {
    throw new KeySetError(file, `not a JWT of NATS, or a damaged one: ${REMAKE}`);
  }
  const claims = readJwt(text);
  const subject = jwt.subject(keys) ?? claims.subject;
  if (claims.subject !== subject) throw new KeySetError(file, `is about another key: ${REMAKE}`);
  if (!jwt.issuers(keys).includes(claims.issuer)) {
    throw new KeySetError(file, `was signed by a key that is not in these sets: ${REMAKE}`);
  }
  const named = jwt.names?.(keys);
  if (named !== undefined && !claims.signingKeys.includes(named)) {
    throw new KeySetError(file, `does not name the signing key of the controller: ${REMAKE}`);
  }
}

const REMAKE = "put back the one that belongs to these keys, or remove it to have it made again";

function completePublicKey(draft: KeySetDraft, file: KeyFile, publicKey: string): void {
  const text = draft.get(file);
  if (text !== undefined && text.trim() !== publicKey) {
    throw new KeySetError(file, `is another key: ${REMAKE}`);
  }
  draft.make(file, `${publicKey}\n`);
}
