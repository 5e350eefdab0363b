// A component of WASI 0.2 in JavaScript, a command: says hello to its arguments.

import environment from "wasi:cli/environment@0.2.0";
import stdout from "wasi:cli/stdout@0.2.0";

function print(text) {
    const utf8 = unescape(encodeURIComponent(text));
    const bytes = Array.from(utf8, (character) => character.charCodeAt(0));
    stdout.getStdout().blockingWriteAndFlush(bytes);
}

export const run = {
    run() {
        const names = environment.getArguments().slice(1);
        print(`Hello ${names.join(", ") || "world"}, from JavaScript\n`);
    },
};
