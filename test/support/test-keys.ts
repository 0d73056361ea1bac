import { keyPairOf } from "../../src/identity/key-pair.ts";
import { signerOf } from "../../src/identity/signatures.ts";

/** Keys of nobody, the same in every run: golden messages are signed with them. */
export const CONTROLLER_KEY = keyPairOf(
  "SUAIV67SXWQQWV5MRKTBI2GKYXFSAKNICJKXOXI6RLSOQPXHMTXQKMM2UA",
);
export const NODE_KEY = keyPairOf("SUAK7BCY5ZDDTCEWL26LGJHENSGSKKGDVQZRV2ODN5NF2T2KQTKIQ3JX6Q");
export const TOKEN_KEY = keyPairOf("SUAP4XFTOTLW4OS2BNNV7VH5WB4YB57EU5L6CEDYR6AGDJDTHDL7UD4RVQ");
export const CONTROLLER_SIGNERS = [signerOf(CONTROLLER_KEY)];
export const NODE_SIGNERS = [signerOf(NODE_KEY)];
