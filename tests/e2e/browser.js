// A Chromium that does what it is told: each line of stdin is {"body": …} with
// the body of an async function of `page`, `context` and `state`; the answer is
// a line {"value": …} or {"error": …}. browser.py holds the other end.
"use strict";

const path = require("path");
const readline = require("readline");
const {chromium} = require(path.resolve(path.dirname(process.env.PLAYWRIGHT)));

const AsyncFunction = (async () => {}).constructor;

async function main() {
  const browser = await chromium.launch({executablePath: process.argv[2]});
  const state = {context: null, page: null, errors: [], requests: []};

  // A new profile for each page.
  state.open = async (url, options) => {
    await state.context?.close();
    state.errors = [];
    state.requests = [];
    state.context = await browser.newContext(options);
    state.context.setDefaultTimeout(Number(process.env.TIMEOUT_MS));
    state.page = await state.context.newPage();
    state.page.on("request", (request) => state.requests.push(request.url()));
    state.page.on("pageerror", (error) => state.errors.push(String(error)));
    state.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) state.errors.push(message.text());
    });
    await state.page.goto(url);
  };

  for await (const line of readline.createInterface({input: process.stdin})) {
    let answer;
    try {
      const body = new AsyncFunction("page", "state", JSON.parse(line).body);
      answer = {value: await body(state.page, state) ?? null};
    } catch (error) {
      answer = {error: String(error.stack ?? error)};
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
  await browser.close();
}

main();
