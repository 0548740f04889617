// Starts GraphiQL on the page that gateway/http/graphiql serves.

const main = document.getElementById("graphiql");
const sandbox = main.dataset.api === "sandbox";

// Monaco's workers are next to this file.
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

// In front of a real API, required variables are missing: an accidental click is refused.
const toFillIn = (missing) => (sandbox ? "" : `# Fill in ${missing} below.\n`);

// One operation per tab, so that the run button never asks which one.
const examples = [
  {
    query: `# Press the run button or Ctrl-Enter.
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
    query: `${toFillIn("inviter, invitee and message")}mutation CreateInvitation(
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
    query: `${toFillIn("the id and the changes")}# Absent properties stay unchanged,
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

// The token stays in its input element: GraphiQL never sees it, so it cannot store it.
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
    return failure('A variable has an integer beyond 2^53, which browsers round. Write it as a string, "…".');
  }
  // Just after a tab change, GraphiQL still passes the operation name of the previous tab.
  const named = operationName && new RegExp(`\\b(query|mutation)\\s+${operationName}\\b`).test(query);
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: requestHeaders(headers),
    body: JSON.stringify({ query, variables, operationName: named ? operationName : undefined }),
  });
  const text = await response.text();
  try {
    return JSON.parse(text); // GraphiQL's parser keeps big integers exact, unlike response.json()
  } catch {
    return failure(`HTTP status ${response.status}, not JSON: ${text.slice(0, 200)}`);
  }
}

// After a reload, GraphiQL restores its tabs from the session storage; a different initial query would add a tab.
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
  storage: sessionStorage, // what you type survives a reload, and is gone when the tab is closed
  onEditQuery() {}, // the default puts the query into the URL, and so into histories and access logs
});
