// Starts GraphiQL on the page that gateway/http/graphiql serves.

const main = document.getElementById("graphiql");
const sandbox = main.dataset.api === "sandbox";

// Monaco's workers stand beside this file.
globalThis.MonacoEnvironment = {
  getWorker(_, label) {
    const name = ["graphql", "json"].includes(label) ? label : "editor";
    return new Worker(new URL(`${name}.worker.js`, import.meta.url));
  },
};

const invitation = `id
    inviter
    invitee
    message {
      invitationTemplateID
      invitationMessage {
        body
      }
    }
    createdAt
    lastModifiedAt
    trackingId`;

const json = (value) => JSON.stringify(value, null, 2);

// In front of a real API the required variables are absent: the gateway refuses what is sent by a press too many.
const toType = (missing) => (sandbox ? "" : `# Type ${missing} below.\n`);

// One operation in each tab, so that the run button never has to ask which.
const examples = [
  {
    query: `# Press the run button, or Ctrl-Enter.
query ListInvitations($first: Int, $after: String) {
  invitations(first: $first, after: $after) {
    nodes {
      id
      inviter
      invitee
      createdAt
      message {
        invitationMessage {
          body
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: json({ first: 5, after: null }),
  },
  {
    query: `${toType("inviter, invitee and message")}mutation CreateInvitation(
  $input: CreateInvitationInput!
) {
  createInvitation(input: $input) {
    ${invitation}
  }
}
`,
    variables: json({
      input: sandbox
        ? {
            inviter: "urn:li:person:ada",
            invitee: "urn:li:email:grace@example.com",
            message: { invitationMessage: { body: "I'd like to add you to my network." } },
          }
        : {},
    }),
  },
  {
    query: `${toType("the id and what changes")}# Absent properties stay as they are,
# null clears them.
mutation UpdateInvitation(
  $input: UpdateInvitationInput!
) {
  updateInvitation(input: $input) {
    ${invitation}
  }
}
`,
    variables: json({
      input: sandbox
        ? {
            id: "59acd300-aef4-5e67-b54c-cfb02088acdc", // the sandbox's first invitation
            message: { invitationMessage: { body: "Shall we have a coffee?" } },
          }
        : {},
    }),
  },
];

// The token lives in its input element only: GraphiQL never gets to see it, so it cannot store it.
function requestHeaders(typed) {
  const headers = new Headers({
    Accept: "application/graphql-response+json, application/json",
    "Content-Type": "application/json",
  });
  const token = document.getElementById("token")?.value.trim().replace(/^bearer\s+/i, "");
  if (token) {
    headers.set("Authorization", `Bearer ${token}`);
  }
  for (const [name, value] of Object.entries(typed ?? {})) {
    headers.set(name, value);
  }
  return headers;
}

const failure = (message) => ({ errors: [{ message }] });

const isRounded = (value) =>
  (Number.isInteger(value) && !Number.isSafeInteger(value)) ||
  (typeof value === "object" && value !== null && Object.values(value).some(isRounded));

async function fetcher({ query, variables, operationName }, { headers } = {}) {
  if (isRounded(variables)) {
    return failure('A variable is an integer beyond 2^53, which a browser rounds: write it as a string, "…".');
  }
  // Just after a change of tabs GraphiQL still gives the name of the operation in the tab before.
  const named = operationName && new RegExp(`\\b(query|mutation)\\s+${operationName}\\b`).test(query);
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: requestHeaders(headers),
    body: JSON.stringify({ query, variables, operationName: named ? operationName : undefined }),
  });
  const text = await response.text();
  try {
    return JSON.parse(text); // GraphiQL's own, exact for big integers, unlike response.json()
  } catch {
    return failure(`HTTP status ${response.status} without JSON: ${text.slice(0, 200)}`);
  }
}

// After a reload GraphiQL finds its tabs in the tab's storage; told to start with another text, it would add a tab.
const stored = JSON.parse(sessionStorage.getItem("graphiql:tabState"));
const active = stored ? stored.tabs[stored.activeTabIndex] : examples[0];

globalThis.YogaGraphiQL.renderYogaGraphiQL(main, {
  fetcher,
  title: "",
  logo: " ",
  defaultTabs: examples,
  initialQuery: active.query ?? "",
  initialVariables: active.variables ?? "",
  shouldPersistHeaders: false,
  showPersistHeadersSettings: false,
  storage: sessionStorage, // what is typed survives a reload and goes with the tab
  onEditQuery() {}, // otherwise the query is put into the page's address, and so into histories and access logs
});
