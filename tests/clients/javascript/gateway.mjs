// What all clients share: the gateway's address, the requests and the expected responses.
import assert from "node:assert/strict";

export const url = process.env.GRAPHQL_URL;
export const headers = { authorization: "Bearer token-of-the-test" };

export const properties = `
  fragment Properties on InvitationV2 {
    id created createdAt lastModified inviter invitee trackingId
    message { invitationTemplateID invitationMessage { body } }
  }
`;

export const invitation = {
  created: "1484671788434",
  lastModified: "9007199254740993", // 2^53 + 1: not exact as a JavaScript number
  inviter: "urn:li:person:inviter",
  invitee: "urn:li:email:invitee@example.com",
  trackingId: "tracking",
  message: { invitationTemplateID: "template", invitationMessage: { body: "Grüezi 🙂" } },
};

export const forbidden = { ...invitation, invitee: "urn:li:sandbox:forbidden" };

export const results = `
  fragment Results on CreateInvitationsPayload {
    results { index invitation { id inviter } error { code outcome message retryAfter } }
  }
`;

/** Inputs of which the API forbids the second. */
export const team = [invitation, forbidden];

/** Check the results of `team`. */
export function checkTeam(shown) {
  assert.equal(shown.length, 2);
  const [first, second] = shown;
  assert.deepEqual(
    { ...first, invitation: { ...first.invitation } },
    { index: 0, invitation: { id: first.invitation.id, inviter: invitation.inviter }, error: null },
  );
  const { code, outcome, message, retryAfter } = second.error;
  assert.deepEqual(
    { index: second.index, invitation: second.invitation, code, outcome, retryAfter },
    { index: 1, invitation: null, code: "FORBIDDEN", outcome: "NOT_APPLIED", retryAfter: null },
  );
  assert.ok(message);
}

/** Return what a client must show of `invitation` after creating it. */
export function created(id) {
  return { id, ...invitation, createdAt: "2017-01-17T16:49:48.434Z" };
}

/** Return an update that clears a property of an invitation, and one of its message. */
export function clearing(id) {
  return { id, trackingId: null, message: { invitationTemplateID: null } };
}

/** Return what a client must show of `invitation` after `clearing`. */
export function cleared(id) {
  const message = { invitationTemplateID: null, invitationMessage: { body: "Grüezi 🙂" } };
  return { ...created(id), trackingId: null, message };
}

/** Check the ids of all pages of ten: those of a new sandbox, and the created one. */
export function checkAllIds(ids, id) {
  assert.equal(ids.length, 49);
  assert.equal(new Set(ids).size, 49);
  assert.equal(ids.at(-1), id);
}

/** Check the GraphQL error of a create that the API forbids. */
export function checkForbidden(error) {
  const { code, status, upstreamCode, outcome } = error.extensions;
  assert.deepEqual(
    { path: error.path, code, status, upstreamCode, outcome },
    {
      path: ["createInvitation"],
      code: "FORBIDDEN",
      status: 403,
      upstreamCode: "Forbidden",
      outcome: "NOT_APPLIED",
    },
  );
}
