import { parseServerUrl } from "../nats/server-url.ts";
import { LOG_LEVELS, type LogLevel } from "../telemetry/logger.ts";
import { choice, list, type Option } from "./option.ts";

/** Where the broker is: both programs need to know. */
export function natsUrlOption(): Option<readonly string[], "list"> {
  return list({
    description:
      "NATS servers to connect to, separated by commas; tls:// for TLS. User and password or a token " +
      "may be in the URL, but are better given in the environment or in a file than as a flag.",
    placeholder: "url,…",
    default: "nats://127.0.0.1:4222",
    check: isServerUrl,
    expected: "nats://host:port or tls://host:port, more than one separated by commas",
    redact: (text) => text.replace(/(\/\/|").*@/s, "$1***@"),
    sanitise: (url) => url.replace(/\/\/.*@/s, "//***@"),
  });
}

export function logLevelOption(): Option<LogLevel, "text"> {
  return choice(LOG_LEVELS, {
    description: `How much is logged: ${LOG_LEVELS.join(", ")}.`,
    placeholder: "level",
    default: "info",
  });
}

function isServerUrl(text: string): boolean {
  try {
    parseServerUrl(text);
    return true;
  } catch {
    return false;
  }
}
