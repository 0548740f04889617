// graphql-eslint's presets for schemas, with our exceptions and their reasons.
import graphql from "@graphql-eslint/eslint-plugin";

export default [
  {
    files: ["schema.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: "schema.graphql" } },
    },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,

      "@graphql-eslint/require-description": [
        "error",
        {
          types: true,
          rootField: true,
          DirectiveDefinition: true,
          EnumValueDefinition: true,
          FieldDefinition: true,
          InputValueDefinition: true,
        },
      ],

      // It would refuse `inputs`, and `idempotencyKey` next to `input`; tests/schema/test_schema.py checks the names
      "@graphql-eslint/input-name": "off",

      "@graphql-eslint/relay-arguments": [
        "error",
        {
          // The REST API links to the next page only: `last` and `before` could not be answered
          includeBoth: false,
        },
      ],

      "@graphql-eslint/relay-edge-types": [
        "error",
        {
          // There is no `Node`: ids are the REST API's own, and it cannot look one up without a type
          shouldImplementNode: false,
          // `nodes`, next to `edges`, saves a level for clients that need no cursors
          listTypeCanWrapOnlyEdgeType: false,
        },
      ],

      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            types: [
              // Parts of an invitation: the REST API gives them no id
              "InvitationMessage",
              "InvitationV2Message",
              // Parts of an answer
              "CreateInvitationResult",
              "CreateInvitationsPayload",
              "InvitationError",
              // Parts of a page: Relay's specification gives them none
              "InvitationConnection",
              "InvitationEdge",
              "PageInfo",
            ],
          },
        },
      ],
    },
  },
];
