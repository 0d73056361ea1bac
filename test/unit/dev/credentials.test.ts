import { expect, test } from "vitest";

import { tokenCsv } from "../../../dev/controlplane/credentials.ts";

test("a token file has a line for each user, with the groups in one field", () => {
  const csv = tokenCsv([
    { token: "t1", user: "alice", groups: ["dev", "ops"] },
    { token: "t2", user: 'a "quoted" user', groups: [] },
  ]);
  expect(csv).toBe(
    '"t1","alice","alice","dev,ops"\n"t2","a ""quoted"" user","a ""quoted"" user",""\n',
  );
});
