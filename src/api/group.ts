export const GROUP = "steward.dev";
export const VERSION = "v1alpha1";
