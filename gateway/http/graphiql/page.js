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
    query: `mutation CreateInvitation($input: CreateInvitationInput!) {
  createInvitation(input: $input) {
    ${invitation}
  }
}
`,
    variables: json({
      input: {
        inviter: sandbox ? "urn:li:person:ada" : "",
        invitee: sandbox ? "urn:li:email:grace@example.com" : "",
        message: { invitationMessage: { body: sandbox ? "I'd like to add you to my network." : "" } },
      },
    }),
  },
  {
    query: `# A property that is absent stays as it is; one that is null is cleared.
mutation UpdateInvitation($input: UpdateInvitationInput!) {
  updateInvitation(input: $input) {
    ${invitation}
  }
}
`,
    variables: json({ input: { id: "", message: { invitationMessage: { body: "Shall we connect?" } } } }),
  },
];

// The token lives in its input element only: GraphiQL is told of it request by request, and never stores it.
function authorization(request) {
  const token = document.getElementById("token")?.value.trim().replace(/^bearer\s+/i, "");
  const typed = Object.keys(request.extensions?.headers ?? {}).some((name) => name.toLowerCase() === "authorization");
  return token && !typed ? { Authorization: `Bearer ${token}` } : {};
}

globalThis.YogaGraphiQL.renderYogaGraphiQL(main, {
  title: "",
  logo: " ",
  defaultTabs: examples,
  initialQuery: undefined, // GraphiQL would open it in one more tab
  additionalHeaders: authorization,
  shouldPersistHeaders: false,
  showPersistHeadersSettings: false,
  storage: sessionStorage, // what is typed survives a reload and goes with the tab
  onEditQuery() {}, // otherwise the query is put into the page's address, and so into histories and access logs
});
