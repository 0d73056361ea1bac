/**
 * How NATS writes keys: base32 of a byte (two, for a seed) that says whose key it is, the 32 bytes of the key, and
 * a checksum of both.
 */

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const KEY_BYTES = 32;
/** The byte before a public key, by the letter that it makes the text begin with. */
const PREFIXES = { O: 14 << 3, A: 0, U: 20 << 3 } as const;

/** Whose public key it is. */
export type Letter = keyof typeof PREFIXES;

export function publicKeyText(letter: Letter, raw: Uint8Array): string {
  const body = Buffer.concat([Buffer.of(PREFIXES[letter]), raw]);
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE(crc16(body));
  return toBase32(Buffer.concat([body, checksum]));
}

/** The 32 bytes of a public key. The text must have the form of one, its checksum is not looked at. */
export function publicKeyBytes(text: string): Uint8Array {
  return fromBase32(text).subarray(1, 1 + KEY_BYTES);
}

/** RFC 4648, without padding, of what has a multiple of 40 bits. */
function toBase32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const digits = bits.match(/.{5}/g) ?? [];
  return digits.map((digit) => BASE32.charAt(Number.parseInt(digit, 2))).join("");
}

function fromBase32(text: string): Buffer {
  const bits = Array.from(text, (digit) => BASE32.indexOf(digit).toString(2).padStart(5, "0"));
  return Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    }
    crc &= 0xffff;
  }
  return crc;
}
