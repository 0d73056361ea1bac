import { jsonBytes } from "../../protocol/output.ts";

/** The text, or its head with an ellipsis, in at most `maxBytes` bytes of its JSON form. */
export function cutText(text: string, maxBytes: number): string {
  if (jsonBytes(text) <= maxBytes) return text;
  const ellipsis = "…";
  let cut = "";
  let bytes = jsonBytes(ellipsis);
  for (const character of text) {
    bytes += jsonBytes(character);
    if (bytes > maxBytes) break;
    cut += character;
  }
  return cut + ellipsis;
}
