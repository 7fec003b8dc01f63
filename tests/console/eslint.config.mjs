// The lint of the console and of the walk through it. What types can tell is told by tsc.
const COMMON = {
  "array-callback-return": "error", "curly": ["error", "multi-line"], "default-case-last": "error", "eqeqeq": "error", "max-lines": ["error", 400],
  "max-params": ["error", 6], "no-await-in-loop": "off", "no-const-assign": "error", "no-constant-condition": ["error", { checkLoops: false }],
  "no-dupe-keys": "error", "no-duplicate-imports": "error", "no-empty": "error", "no-fallthrough": "error", "no-implicit-globals": "error",
  "no-param-reassign": "error", "no-redeclare": "error", "no-self-compare": "error", "no-unreachable": "error", "no-unused-expressions": "error",
  "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "none" }], "no-useless-return": "error", "no-var": "error",
  "object-shorthand": "error", "prefer-const": "error", "prefer-template": "error", "semi": ["error", "always"],
  "quotes": ["error", "double", { avoidEscape: true, allowTemplateLiterals: true }],
};

/** What the walk names: of Node.js, and of the pages that it looks into. */
const GLOBALS = ["process", "console", "fetch", "setTimeout", "Buffer", "Response", "URL", "URLSearchParams", "window", "document", "location", "addEventListener", "innerWidth", "performance"];

export default [
  { files: ["console/*.js"], languageOptions: { ecmaVersion: 2023, sourceType: "module" }, rules: {
    ...COMMON,
    "max-lines-per-function": ["error", { max: 70, skipComments: true }],
    "no-alert": "error", "no-console": "error", "no-eval": "error", "no-implied-eval": "error", "no-new-func": "error",
    "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc"].map((property) => ({ property, message: "Text is only ever put in as text." })),
      { object: "document", property: "write" }, { object: "sessionStorage", property: "setItem" }],
  } },
  { files: ["tests/console/*.mjs"], languageOptions: { ecmaVersion: 2023, sourceType: "module",
    globals: Object.fromEntries(GLOBALS.map((name) => [name, "readonly"])) }, rules: { ...COMMON, "no-undef": "error" } },
];
