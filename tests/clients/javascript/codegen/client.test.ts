import assert from "node:assert/strict";
import { test } from "node:test";

import { type AnyVariables, Client, type OperationResult, fetchExchange } from "@urql/core";

import * as gateway from "../gateway.mjs";
import { getFragmentData, graphql } from "./generated";
import type {
  CreateInvitationInput,
  ErrorCode,
  Outcome,
  PageQuery,
  PropertiesFragment,
  UpdateInvitationInput,
} from "./generated/graphql";

const PROPERTIES = graphql(`
  fragment Properties on InvitationV2 {
    id
    created
    createdAt
    lastModified
    inviter
    invitee
    trackingId
    message {
      invitationTemplateID
      invitationMessage {
        body
      }
    }
  }
`);
const CREATE = graphql(`
  mutation Create($input: CreateInvitationInput!) {
    createInvitation(input: $input) {
      ...Properties
    }
  }
`);
const CREATE_ALL = graphql(`
  mutation CreateAll($inputs: [CreateInvitationInput!]!) {
    createInvitations(inputs: $inputs) {
      results {
        index
        invitation {
          id
          inviter
        }
        error {
          code
          outcome
          message
          retryAfter
        }
      }
    }
  }
`);
const UPDATE = graphql(`
  mutation Update($input: UpdateInvitationInput!) {
    updateInvitation(input: $input) {
      ...Properties
    }
  }
`);
const READ = graphql(`
  query Read($id: ID!) {
    invitation(id: $id) {
      ...Properties
    }
  }
`);
const PAGE = graphql(`
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
`);

assert.ok(gateway.url);
const client = new Client({
  url: gateway.url,
  exchanges: [fetchExchange],
  fetchOptions: { headers: gateway.headers },
});

function dataOf<Data, Variables extends AnyVariables>({ data, error }: OperationResult<Data, Variables>): Data {
  assert.ifError(error);
  assert.ok(data);
  return data;
}

let id = "";

test("creates an invitation", async () => {
  const input: CreateInvitationInput = gateway.invitation;
  const data = dataOf(await client.mutation(CREATE, { input }));
  const invitation = getFragmentData(PROPERTIES, data.createInvitation);
  assert.ok(invitation);
  id = invitation.id;
  assert.deepEqual(invitation, gateway.created(id));
});

test("updates with null", async () => {
  const input: UpdateInvitationInput = gateway.clearing(id);
  const data = dataOf(await client.mutation(UPDATE, { input }));
  assert.deepEqual(getFragmentData(PROPERTIES, data.updateInvitation), gateway.cleared(id));
});

test("reads an invitation", async () => {
  const data = dataOf(await client.query(READ, { id }));
  assert.deepEqual(getFragmentData(PROPERTIES, data.invitation), gateway.cleared(id));
  assert.deepEqual(dataOf(await client.query(READ, { id: "none" })), { invitation: null });
});

test("pages to the end", async () => {
  const pages: string[][] = [];
  let after: string | null = null;
  do {
    const { invitations }: PageQuery = dataOf(await client.query(PAGE, { after }));
    assert.ok(invitations);
    pages.push(invitations.nodes.map((node) => node.id));
    after = invitations.pageInfo.hasNextPage ? invitations.pageInfo.endCursor : null;
  } while (after && pages.length < 20);
  assert.equal(pages.length, 5);
  gateway.checkAllIds(pages.flat(), id);
});

test("shows a validation error", async () => {
  // @ts-expect-error: the inviter is missing
  const input: CreateInvitationInput = { invitee: "urn:li:person:invitee", message: {} };
  const { error } = await client.mutation(CREATE, { input });
  assert.match(error?.message ?? "", /inviter/);
  assert.deepEqual(error?.graphQLErrors[0]?.extensions, { code: "BAD_USER_INPUT", outcome: "NOT_APPLIED" });
});

test("shows an upstream error", async () => {
  const { data, error } = await client.mutation(CREATE, { input: gateway.forbidden });
  assert.deepEqual(data, { createInvitation: null });
  assert.equal(error?.graphQLErrors.length, 1);
  gateway.checkForbidden(error?.graphQLErrors[0]);
});

test("creates several at once", async () => {
  const data = dataOf(await client.mutation(CREATE_ALL, { inputs: gateway.team }));
  assert.ok(data.createInvitations);
  gateway.checkTeam(data.createInvitations.results);
});

test("gives codes and outcomes names", () => {
  const shown: { code: ErrorCode; outcome: Outcome } = { code: "RATE_LIMITED", outcome: "NOT_APPLIED" };
  assert.equal(shown.code, "RATE_LIMITED");
  // @ts-expect-error: no such outcome
  shown.outcome = "DONE";
});

test("gives scalars their types, in and out", () => {
  const types: CreateInvitationInput["created"][] = [1484671788434, "1484671788434", null];
  // @ts-expect-error: an Int64 is not a boolean
  types.push(true);
  const shown: Pick<PropertiesFragment, "created" | "createdAt"> = { created: "1", createdAt: null };
  // @ts-expect-error: in responses it is not a number
  shown.created = 1;
});
