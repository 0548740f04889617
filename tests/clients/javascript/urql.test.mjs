import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, CombinedError, fetchExchange, gql } from "@urql/core";

import * as gateway from "./gateway.mjs";

const PROPERTIES = gql(gateway.properties);
const CREATE = gql`
  mutation Create($input: CreateInvitationInput!) {
    createInvitation(input: $input) {
      ...Properties
    }
  }
  ${PROPERTIES}
`;
const CREATE_ALL = gql`
  mutation CreateAll($inputs: [CreateInvitationInput!]!) {
    createInvitations(inputs: $inputs) {
      ...Results
    }
  }
  ${gql(gateway.results)}
`;
const UPDATE = gql`
  mutation Update($input: UpdateInvitationInput!) {
    updateInvitation(input: $input) {
      ...Properties
    }
  }
  ${PROPERTIES}
`;
const READ = gql`
  query Read($id: ID!) {
    invitation(id: $id) {
      ...Properties
    }
  }
  ${PROPERTIES}
`;
const PAGE = gql`
  query Page($after: String) {
    invitations(first: 10, after: $after) {
      nodes {
        id
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

const methods = [];
const options = {
  url: gateway.url,
  exchanges: [fetchExchange],
  fetchOptions: { headers: gateway.headers },
  fetch: (input, init) => {
    methods.push(init.method);
    return fetch(input, init);
  },
};
const client = new Client(options);

async function succeeding(request) {
  const { data, error } = await request.toPromise();
  assert.ifError(error);
  return data;
}

function onlyGraphQLError(error) {
  assert.ok(error instanceof CombinedError);
  assert.equal(error.networkError, undefined);
  assert.equal(error.graphQLErrors.length, 1);
  return error.graphQLErrors[0];
}

let id;

test("creates an invitation", async () => {
  const { createInvitation } = await succeeding(client.mutation(CREATE, { input: gateway.invitation }));
  ({ id } = createInvitation);
  assert.deepEqual(createInvitation, gateway.created(id));
});

test("updates with null", async () => {
  const { updateInvitation } = await succeeding(client.mutation(UPDATE, { input: gateway.clearing(id) }));
  assert.deepEqual(updateInvitation, gateway.cleared(id));
});

test("reads an invitation", async () => {
  assert.deepEqual(await succeeding(client.query(READ, { id })), { invitation: gateway.cleared(id) });
  assert.deepEqual(await succeeding(client.query(READ, { id: "none" })), { invitation: null });
});

for (const [method, preferGetMethod] of Object.entries({ GET: "force", POST: false })) {
  test(`reads an invitation by ${method}`, async () => {
    const asked = new Client({ ...options, preferGetMethod });
    assert.deepEqual(await succeeding(asked.query(READ, { id })), { invitation: gateway.cleared(id) });
    assert.equal(methods.at(-1), method);
  });
}

test("pages to the end", async () => {
  const pages = [];
  let after = null;
  do {
    const { invitations } = await succeeding(client.query(PAGE, { after }));
    pages.push(invitations.nodes.map((node) => node.id));
    after = invitations.pageInfo.hasNextPage ? invitations.pageInfo.endCursor : null;
  } while (after && pages.length < 20);
  assert.equal(pages.length, 5);
  gateway.checkAllIds(pages.flat(), id);
});

test("shows a validation error", async () => {
  const wrong = gql`
    {
      invitation(id: 1) {
        sender
      }
    }
  `;
  const { data, error } = await client.query(wrong, {}).toPromise();
  assert.equal(data, undefined);
  const { message, extensions } = onlyGraphQLError(error);
  assert.match(message, /sender/);
  assert.deepEqual(extensions, { code: "GRAPHQL_VALIDATION_FAILED" });
});

test("shows an upstream error", async () => {
  const { data, error } = await client.mutation(CREATE, { input: gateway.forbidden }).toPromise();
  assert.deepEqual(data, { createInvitation: null });
  gateway.checkForbidden(onlyGraphQLError(error));
});

test("creates several at once", async () => {
  const { createInvitations } = await succeeding(client.mutation(CREATE_ALL, { inputs: gateway.team }));
  gateway.checkTeam(createInvitations.results);
});
