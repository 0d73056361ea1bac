/** What comparable resourceVersions look like (KEP-5504): decimal, no leading zeros. */
const COMPARABLE = /^[1-9]\d*$/;

/**
 * Whether `left` was written after `right`. Both must be resourceVersions of one resource type; since
 * Kubernetes 1.35 these are promised to be comparable as integers of any size (KEP-5504). False when
 * either is not such a number, so that a foreign server makes a cache slower, never wrong.
 */
export function isNewerVersion(left: string, right: string): boolean {
  if (!COMPARABLE.test(left) || !COMPARABLE.test(right)) return false;
  // Without leading zeros the longer number is the larger one, and equal lengths compare as text.
  if (left.length !== right.length) return left.length > right.length;
  return left > right;
}
