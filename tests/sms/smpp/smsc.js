// A carrier on npm's smpp in server mode. Lines of JSON in steer it, lines of JSON out tell what it saw.
//   {"set": {...}}      changes what it does; {"reset": true} forgets that, and everyone who is bound
//   {"deliver": {...}}  sends a deliver_sm to everyone bound; {"unbind": true} unbinds them, {"drop": true} hangs up
const fs = require("fs");
const readline = require("readline");
const smpp = require("smpp");

const USUAL = { password: "secret", receipts: "text", ids: "decimal", first: 1 };
let ways = { ...USUAL, ...JSON.parse(process.env.SMSC_WAYS || "{}") };
let taken = 0;
const bound = new Set();
const everyone = new Set();
// With SMSC_JOURNAL it remembers over its own death what it took, and tells again whatever nobody acknowledged.
const journal = process.env.SMSC_JOURNAL;
const past = journal && fs.existsSync(journal) ? fs.readFileSync(journal, "utf8").trim().split("\n").filter(Boolean).map(JSON.parse) : [];
taken = past.filter((one) => one.taken).length;
const note = (what) => {
  if (!journal) return;
  past.push(what);
  fs.appendFileSync(journal, JSON.stringify(what) + "\n");
};
const unheard = () => {
  const heard = new Set(past.map((one) => one.acknowledged));
  return past.filter((one) => one.taken && !heard.has(one.taken));
};
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const options = process.argv[2] ? { key: fs.readFileSync(process.argv[2]), cert: fs.readFileSync(process.argv[3]) } : {};

const written = (number, kind) => (kind === "hex" ? number.toString(16).toUpperCase() : String(number));

function receipt(pdu, id, state = "DELIVRD") {
  const number = ways.receiptIds ? written(id, ways.receiptIds) : written(id, ways.ids);
  const made = { source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4 };
  if (ways.receipts === "tlv") {
    return { ...made, short_message: "", receipted_message_id: number, message_state: state === "DELIVRD" ? 2 : 5 };
  }
  const done = ways.done === undefined ? "2611180902" : ways.done;
  const text = `id:${number} sub:001 dlvrd:001 submit date:2611180901 done date:${done} stat:${state} err:000 text:`;
  return { ...made, short_message: ways.bare ? `id:${number} stat:${state}` : text };
}

function send(session, made, times = 1) {
  for (let n = 0; n < times; n++) {
    session.deliver_sm(made, (answer) => {
      say({ acknowledged: answer.command_status });
      if (answer.command_status && ways.repeats) setTimeout(() => send(session, made), ways.repeats);
      const told = /id:([0-9]+)/.exec(made.short_message);
      if (told && answer.command_status === 0) note({ acknowledged: Number(told[1]) });
    });
  }
}

const server = smpp.createServer(options, (session) => {
  const waiting = [];
  everyone.add(session);
  const bind = (pdu) => {
    const right = pdu.password === ways.password;
    say({ bind: pdu.system_id, right });
    session.send(pdu.response({ command_status: right ? 0 : smpp.ESME_RINVPASWD, system_id: "smsc" }));
    if (right) bound.add(session);
    if (right) for (const one of unheard()) send(session, receipt({ destination_addr: one.to, source_addr: one.from }, one.taken));
  };
  session.on("bind_transceiver", bind);
  session.on("enquire_link", (pdu) => {
    say({ enquire: true });
    session.send(pdu.response());
  });
  session.on("unbind", (pdu) => {
    say({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on("unbind_resp", () => {
    say({ unbound: true });
    session.close();
  });
  session.on("submit_sm", (pdu) => {
    const message = pdu.short_message || {};
    const seen = {
      submit: pdu.destination_addr, from: pdu.source_addr, sequence: pdu.sequence_number, coding: pdu.data_coding,
      esm: pdu.esm_class, registered: pdu.registered_delivery,
      text: typeof message.message === "string" ? message.message : Buffer.from(message.message || "").toString("latin1"),
      header: message.udh ? Buffer.concat([].concat(message.udh)).toString("hex") : "",
    };
    if (ways.refuse && ways.refuse.length) {
      const status = ways.refuse.shift();
      if (status) {
        say({ ...seen, status });
        session.send(pdu.response({ command_status: status }));
        return;
      }
    }
    const id = ways.first + taken++;
    say({ ...seen, id: written(id, ways.ids) });
    const answer = () => session.send(pdu.response({ message_id: written(id, ways.ids) }));
    note({ taken: id, to: pdu.destination_addr, from: pdu.source_addr, text: seen.text });
    if (ways.silent) return;
    const tell = () => {
      if (ways.receipts !== "never" && ways.before) send(session, receipt(pdu, id));
      answer();
      if (ways.receipts === "never" || ways.before) return;
      if (ways.reversed) {
        waiting.push(receipt(pdu, id));
        if (waiting.length === ways.reversed) {
          while (waiting.length) send(session, waiting.pop());
        }
      } else {
        send(session, receipt(pdu, id, ways.state), ways.twice ? 2 : 1);
      }
    };
    if (ways.late) setTimeout(tell, ways.late);
    else tell();
  });
  session.on("close", () => {
    bound.delete(session);
    everyone.delete(session);
  });
  session.on("error", () => bound.delete(session));
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  if (order.reset) {
    ways = USUAL;
    taken = 0;
    for (const session of everyone) session.destroy();
  }
  if (order.set) ways = { ...ways, ...order.set };
  for (const session of [...bound]) {
    if (order.deliver) send(session, order.deliver);
    if (order.unbind) session.unbind();
    if (order.drop) session.destroy();
  }
  say({ done: true });
}).on("close", () => process.exit(0));
server.listen(Number(process.env.SMSC_PORT || 0), "127.0.0.1", () => say({ port: server.address().port }));
