import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import relay from "relay-runtime";

import * as gateway from "./gateway.mjs";

const artifact = (name) => createRequire(import.meta.url)(`./relay/__generated__/${name}.graphql.js`);
const CREATE = artifact("documentsCreateMutation");
const CREATE_ALL = artifact("documentsCreateAllMutation");
const UPDATE = artifact("documentsUpdateMutation");
const READ = artifact("documentsReadQuery");
const LIST = artifact("documentsListQuery");
const LIST_FRAGMENT = artifact("documents_list");

async function fetchGraphQL({ text, name }, variables) {
  const response = await fetch(gateway.url, {
    method: "POST",
    headers: {
      ...gateway.headers,
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json",
    },
    body: JSON.stringify({ query: text, operationName: name, variables }),
  });
  return response.json();
}

const environment = new relay.Environment({
  network: relay.Network.create(fetchGraphQL),
  store: new relay.Store(new relay.RecordSource()),
});

function run(query, variables) {
  return relay.fetchQuery(environment, query, variables).toPromise();
}

function mutate(mutation, variables) {
  return new Promise((resolve, onError) => {
    relay.commitMutation(environment, {
      mutation,
      variables,
      onCompleted: (data, errors) => resolve({ data, errors }),
      onError,
    });
  });
}

let id;

test("creates an invitation", async () => {
  const { data, errors } = await mutate(CREATE, { input: gateway.invitation });
  assert.equal(errors, null);
  ({ id } = data.createInvitation);
  assert.deepEqual(data.createInvitation, gateway.created(id));
});

test("updates with null", async () => {
  const { data, errors } = await mutate(UPDATE, { input: gateway.clearing(id) });
  assert.equal(errors, null);
  assert.deepEqual(data.updateInvitation, gateway.cleared(id));
});

test("reads an invitation", async () => {
  assert.deepEqual(await run(READ, { id }), { invitation: gateway.cleared(id) });
  assert.deepEqual(await run(READ, { id: "none" }), { invitation: null });
});

test("pages to the end", async () => {
  const operation = relay.createOperationDescriptor(relay.getRequest(LIST), {});
  const retained = environment.retain(operation);
  const owner = await run(LIST, {});
  const selector = relay.getSingularSelector(LIST_FRAGMENT, owner);
  const merged = () => environment.lookup(selector).data.invitations;
  // What react-relay's usePaginationFragment does to load the next page
  const { paginationRequest, paginationMetadata } = relay.getPaginationMetadata(LIST_FRAGMENT, "this test");
  let fetched = 1;
  while (merged().pageInfo.hasNextPage && fetched < 20) {
    const { endCursor } = merged().pageInfo;
    const variables = relay.getPaginationVariables("forward", 10, endCursor, {}, {}, paginationMetadata);
    await run(paginationRequest, variables);
    fetched += 1;
  }
  assert.equal(fetched, 5);
  gateway.checkAllIds(
    merged().edges.map((edge) => edge.node.id),
    id,
  );
  retained.dispose();
});

test("shows a validation error", async () => {
  await assert.rejects(run(READ, { id: { not: "an id" } }), (error) => {
    const [{ message, extensions }] = error.source.errors;
    assert.match(message, /ID cannot represent/);
    assert.deepEqual(extensions, { code: "BAD_USER_INPUT" });
    return true;
  });
});

test("shows an upstream error", async () => {
  const { data, errors } = await mutate(CREATE, { input: gateway.forbidden });
  assert.deepEqual(data, { createInvitation: null });
  assert.equal(errors.length, 1);
  gateway.checkForbidden(errors[0]);
});

test("creates several at once", async () => {
  const { data, errors } = await mutate(CREATE_ALL, { inputs: gateway.team });
  assert.equal(errors, null);
  gateway.checkTeam(data.createInvitations.results);
});
