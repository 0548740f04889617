// relay-compiler compiles these documents; the tests run its artifacts.
import { graphql } from "relay-runtime";

graphql`
  fragment documents_invitation on InvitationV2 {
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
`;

graphql`
  mutation documentsCreateMutation($input: CreateInvitationInput!) {
    createInvitation(input: $input) {
      ...documents_invitation @relay(mask: false)
    }
  }
`;

graphql`
  mutation documentsCreateAllMutation($inputs: [CreateInvitationInput!]!) {
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
`;

graphql`
  mutation documentsUpdateMutation($input: UpdateInvitationInput!) {
    updateInvitation(input: $input) {
      ...documents_invitation @relay(mask: false)
    }
  }
`;

graphql`
  query documentsReadQuery($id: ID!) {
    invitation(id: $id) {
      ...documents_invitation @relay(mask: false)
    }
  }
`;

graphql`
  fragment documents_list on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "String" })
  @refetchable(queryName: "documentsListPaginationQuery") {
    invitations(first: $count, after: $cursor) @connection(key: "documents_list_invitations") {
      edges {
        node {
          id
        }
      }
    }
  }
`;

graphql`
  query documentsListQuery {
    ...documents_list
  }
`;
