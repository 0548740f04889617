// What graphql-eslint's presets ask of schemas, with the exceptions that ours makes and why.
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

      "@graphql-eslint/input-name": [
        "error",
        {
          checkInputType: true,
          // A field's name begins with a small letter, and a type's with a capital
          caseSensitiveInputType: false,
        },
      ],

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
          // There is no `Node`: the ids are the REST API's own, and it looks nothing up by an id without a type
          shouldImplementNode: false,
          // `nodes`, beside `edges`, spares clients that need no cursors a level
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
