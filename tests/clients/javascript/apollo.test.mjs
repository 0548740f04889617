import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { relayStylePagination } from "@apollo/client/utilities";

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
      edges {
        node {
          id
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

function makeClient(...links) {
  return new ApolloClient({
    link: ApolloLink.from(links),
    cache: new InMemoryCache({
      typePolicies: { Query: { fields: { invitations: relayStylePagination() } } },
    }),
  });
}

/** Remove Apollo's `__typename` from a result. */
function plain(result) {
  return JSON.parse(JSON.stringify(result, (name, value) => (name === "__typename" ? undefined : value)));
}

function combinedErrors(error) {
  assert.ok(CombinedGraphQLErrors.is(error), String(error));
  return error.errors;
}

const client = makeClient(new HttpLink({ uri: gateway.url, headers: gateway.headers }));
let id;

test("creates an invitation", async () => {
  const { data } = await client.mutate({ mutation: CREATE, variables: { input: gateway.invitation } });
  ({ id } = data.createInvitation);
  assert.deepEqual(plain(data.createInvitation), gateway.created(id));
});

test("updates with null", async () => {
  const { data } = await client.mutate({ mutation: UPDATE, variables: { input: gateway.clearing(id) } });
  assert.deepEqual(plain(data.updateInvitation), gateway.cleared(id));
});

test("reads an invitation", async () => {
  const { data } = await client.query({ query: READ, variables: { id }, fetchPolicy: "network-only" });
  assert.deepEqual(plain(data.invitation), gateway.cleared(id));
  const missing = await client.query({ query: READ, variables: { id: "none" } });
  assert.deepEqual(missing.data, { invitation: null });
});

test("pages to the end", async () => {
  const pages = client.watchQuery({ query: PAGE });
  const subscription = pages.subscribe({});
  await client.query({ query: PAGE });
  const merged = () => client.readQuery({ query: PAGE }).invitations;
  let fetched = 1;
  while (merged().pageInfo.hasNextPage && fetched < 20) {
    await pages.fetchMore({ variables: { after: merged().pageInfo.endCursor } });
    fetched += 1;
  }
  subscription.unsubscribe();
  assert.equal(fetched, 5);
  gateway.checkAllIds(
    merged().edges.map((edge) => edge.node.id),
    id,
  );
});

test("shows a validation error", async () => {
  const query = gql`
    {
      invitation(id: 1) {
        sender
      }
    }
  `;
  await assert.rejects(client.query({ query }), (error) => {
    const [{ message, extensions }] = combinedErrors(error);
    assert.match(message, /sender/);
    assert.deepEqual(extensions, { code: "GRAPHQL_VALIDATION_FAILED" });
    return true;
  });
});

test("shows an upstream error", async () => {
  const options = { mutation: CREATE, variables: { input: gateway.forbidden } };
  await assert.rejects(client.mutate(options), (error) => {
    combinedErrors(error).forEach(gateway.checkForbidden);
    return true;
  });
  const { data, error } = await client.mutate({ ...options, errorPolicy: "all" });
  assert.deepEqual(data, { createInvitation: null });
  combinedErrors(error).forEach(gateway.checkForbidden);
});

test("creates several at once", async () => {
  const { data } = await client.mutate({ mutation: CREATE_ALL, variables: { inputs: gateway.team } });
  gateway.checkTeam(plain(data.createInvitations.results));
});

test("sends queries by GET, and falls back to the full text if persisted queries are not supported", async () => {
  const requests = [];
  const persisting = makeClient(
    new PersistedQueryLink({
      sha256: (text) => createHash("sha256").update(text).digest("hex"),
      useGETForHashedQueries: true,
    }),
    new HttpLink({
      uri: gateway.url,
      headers: gateway.headers,
      useGETForQueries: true,
      fetch: async (uri, options) => {
        const response = await fetch(uri, options);
        const hasText = new URL(uri).searchParams.has("query");
        requests.push({ method: options.method, hasText, status: response.status });
        return response;
      },
    }),
  );
  for (const fetchPolicy of ["cache-first", "network-only"]) {
    const { data } = await persisting.query({ query: READ, variables: { id }, fetchPolicy });
    assert.deepEqual(plain(data.invitation), gateway.cleared(id));
  }
  assert.deepEqual(requests, [
    { method: "GET", hasText: false, status: 400 },
    { method: "GET", hasText: true, status: 200 },
    { method: "GET", hasText: true, status: 200 }, // Apollo has learnt this, and does not try again
  ]);
});
