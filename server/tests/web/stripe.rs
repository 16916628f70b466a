//! A stand-in for Stripe: a small server that remembers what it was asked for, refuses, breaks off after the deed, and signs events.
//!
//! Invariant: idempotency keys are kept; the same key with other words is refused, as Stripe does.

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const KEY: &str = "sk_test_4242424242424242";
pub const SECRET: &str = "whsec_0123456789abcdef0123";

/// What goes wrong with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done; status 500.
    Error,
    /// It is done, and the connection breaks off before the answer.
    BreakOff,
    /// Refused; status 402.
    Refuse,
    /// Nothing: the next one is for the call after this one.
    Pass,
}

#[derive(Default)]
pub struct State {
    pub sessions: BTreeMap<String, Value>,
    pub intents: BTreeMap<String, Value>,
    pub charges: BTreeMap<String, Value>,
    pub disputes: BTreeMap<String, Value>,
    pub invoices: BTreeMap<String, Value>,
    pub movements: Vec<Value>,
    /// Cards that are declined when nobody is there.
    pub declines: bool,
    pub events: Vec<Value>,
    pub faults: VecDeque<Fault>,
    /// Objects as they were, in answer to the next calls for their ids: answers that were long on the way.
    pub stale: VecDeque<Value>,
    pub calls: Vec<String>,
    answers: HashMap<String, (String, Value)>,
    count: u64,
}

#[derive(Clone)]
pub struct Stripe {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Stripe {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stripe = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let server = stripe.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        stripe
    }

    pub fn words(&self) -> Vec<String> {
        let base = format!("http://{}", self.address);
        let words = [
            "--stripe-secret-key",
            KEY,
            "--stripe-webhook-secret",
            SECRET,
            "--stripe-api-base",
            &base,
        ];
        words.map(str::to_owned).to_vec()
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap())
    }

    pub fn fail_next(&self, fault: Fault) {
        self.with(|state| state.faults.push_back(fault));
    }

    /// The customer pays the session; the event that tells of it.
    pub fn pay(&self, session_id: &str) -> Value {
        self.with(|state| {
            let (intent, charge, movement) = (state.id("pi"), state.id("ch"), state.id("txn"));
            let session = state.sessions.get_mut(session_id).unwrap();
            session["status"] = json!("complete");
            session["payment_status"] = json!("paid");
            session["payment_intent"] = json!(intent);
            session["url"] = Value::Null;
            let session = session.clone();
            state.intents.insert(
                intent.clone(),
                json!({"id": intent, "metadata": session["metadata"], "latest_charge": charge, "payment_method": "pm_visa",
                       "customer": session["customer"]}),
            );
            state.charges.insert(
                charge.clone(),
                json!({"id": charge, "amount": session["amount_total"], "amount_refunded": 0, "currency": session["currency"],
                       "payment_intent": intent, "receipt_url": format!("https://pay.stripe.com/receipts/{charge}")}),
            );
            state.movements.push(json!({"id": movement, "type": "charge", "amount": session["amount_total"],
                "currency": session["currency"], "created": 1, "source": {"id": charge, "payment_intent": intent,
                "amount": session["amount_total"], "currency": session["currency"]}}));
            state.event("checkout.session.completed", session)
        })
    }

    /// The invoice of a paid session is ready; the event that tells of it.
    pub fn invoice(&self, session_id: &str) -> Value {
        self.with(|state| {
            let session = state.sessions.get_mut(session_id).unwrap();
            let id = format!("in_{session_id}");
            session["invoice"] = json!(id);
            let invoice = json!({"id": id, "number": "HUB-0001", "customer": session["customer"], "metadata": session["invoice_data"],
                "hosted_invoice_url": format!("https://invoice.stripe.com/i/{id}")});
            state.invoices.insert(id, invoice.clone());
            state.event("invoice.paid", invoice)
        })
    }

    /// The session's time is over.
    pub fn expire(&self, session_id: &str) -> Value {
        self.with(|state| {
            let session = state.sessions.get_mut(session_id).unwrap();
            session["status"] = json!("expired");
            session["url"] = Value::Null;
            let session = session.clone();
            state.event("checkout.session.expired", session)
        })
    }

    /// Gives `cents` of a paid session back.
    pub fn refund(&self, session_id: &str, cents: i64) -> Value {
        self.with(|state| {
            let charge_id = state.charge_of(session_id);
            let charge = state.charges.get_mut(&charge_id).unwrap();
            charge["amount_refunded"] = json!(charge["amount_refunded"].as_i64().unwrap() + cents);
            let charge = charge.clone();
            state.move_money(&charge, "refund", -cents);
            state.event("charge.refunded", charge)
        })
    }

    /// The card's holder disputes a paid session, as far as it was not given back.
    pub fn dispute(&self, session_id: &str) -> (String, Value) {
        let left = self.with(|state| {
            let charge = &state.charges[&state.charge_of(session_id)];
            charge["amount"].as_i64().unwrap() - charge["amount_refunded"].as_i64().unwrap()
        });
        self.dispute_of(session_id, left)
    }

    /// The card's holder disputes `cents` of a paid session.
    pub fn dispute_of(&self, session_id: &str, cents: i64) -> (String, Value) {
        self.with(|state| {
            let charge_id = state.charge_of(session_id);
            let charge = state.charges[&charge_id].clone();
            let id = state.id("dp");
            let dispute = json!({"id": id, "status": "needs_response", "amount": cents, "currency": "usd",
                                 "payment_intent": charge["payment_intent"], "charge": charge_id});
            state.disputes.insert(id.clone(), dispute.clone());
            state.move_money(&charge, "adjustment", -cents);
            (id, state.event("charge.dispute.created", dispute))
        })
    }

    /// The dispute ends.
    pub fn close(&self, dispute_id: &str, status: &str) -> Value {
        self.with(|state| {
            let dispute = state.disputes.get_mut(dispute_id).unwrap();
            dispute["status"] = json!(status);
            let dispute = dispute.clone();
            if status == "won" {
                let charge = state.charges[dispute["charge"].as_str().unwrap()].clone();
                state.move_money(&charge, "adjustment", dispute["amount"].as_i64().unwrap());
            }
            state.event("charge.dispute.closed", dispute)
        })
    }

    /// What the books of a customer's payments sum up to, in cents, and how many there are.
    pub fn sum_of(&self, customer: &str) -> (i64, usize) {
        self.with(|state| {
            let mine = |intent: &&Value| intent["customer"] == customer;
            let intents: Vec<&Value> = state
                .intents
                .values()
                .filter(mine)
                .map(|intent| &intent["id"])
                .collect();
            let of = |movement: &&Value| intents.contains(&&movement["source"]["payment_intent"]);
            let movements = state.movements.iter().filter(of);
            let sum = movements.map(|movement| movement["amount"].as_i64().unwrap()).sum();
            (sum, intents.len())
        })
    }

    /// The id of the session with this payment's reference.
    pub fn session_of(&self, payment: &str) -> String {
        self.with(|state| {
            let mut mine = state
                .sessions
                .iter()
                .filter(|(_, session)| session["client_reference_id"] == payment);
            let (id, _) = mine.next().unwrap();
            assert!(mine.next().is_none(), "one session for each payment");
            id.clone()
        })
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut read = Vec::new();
        let (head, at) = loop {
            let mut part = [0; 4_096];
            let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
            read.extend_from_slice(&part[..count]);
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break (String::from_utf8_lossy(&read[..at]).into_owned(), at + 4);
            }
        };
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
        while read.len() < at + length {
            let mut part = [0; 4_096];
            let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
            read.extend_from_slice(&part[..count]);
        }
        let body = String::from_utf8_lossy(&read[at..]).into_owned();
        let line = head.lines().next().unwrap().to_owned();
        assert_eq!(header("authorization").unwrap(), format!("Bearer {KEY}"));
        let fault = self.with(|state| {
            state.calls.push(line.clone());
            state.faults.pop_front()
        });
        let (status, answer) = match fault {
            Some(Fault::Error) => (500, json!({"error": {"type": "api_error", "message": "down"}})),
            Some(Fault::Refuse) => (
                402,
                json!({"error": {"type": "card_error", "code": "card_declined", "message": "Declined."}}),
            ),
            _ => self.with(|state| state.answer(&line, &body, header("idempotency-key"))),
        };
        if fault == Some(Fault::BreakOff) {
            return None;
        }
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        stream.write_all(format!("{head}{text}").as_bytes()).await.ok()
    }
}

impl State {
    fn id(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}_{:06}", self.count)
    }

    pub fn event(&mut self, kind: &str, object: Value) -> Value {
        let id = self.id("evt");
        let created = i64::try_from(self.count).unwrap() + server::clock::now_ms() / 1_000;
        let event = json!({"id": id, "object": "event", "type": kind, "created": created, "data": {"object": object}});
        self.events.push(event.clone());
        event
    }

    pub fn charge_of(&self, session_id: &str) -> String {
        let intent = self.sessions[session_id]["payment_intent"].as_str().unwrap();
        self.intents[intent]["latest_charge"].as_str().unwrap().to_owned()
    }

    fn move_money(&mut self, charge: &Value, kind: &str, cents: i64) {
        let id = self.id("txn");
        self.movements.push(
            json!({"id": id, "type": kind, "amount": cents, "currency": "usd", "created": 1,
            "source": {"id": "x", "payment_intent": charge["payment_intent"], "amount": cents.abs(), "currency": "usd"}}),
        );
    }

    /// Charges a saved card.
    fn charge(&mut self, form: &Fields) -> (u16, Value) {
        if self.declines {
            let told = json!({"type": "card_error", "code": "card_declined", "message": "Your card was declined."});
            return (402, json!({"error": told}));
        }
        assert_eq!(
            (&*form["off_session"], &*form["confirm"], &*form["payment_method"]),
            ("true", "true", "pm_visa")
        );
        let (intent, charge, movement) = (self.id("pi"), self.id("ch"), self.id("txn"));
        let cents: i64 = form["amount"].parse().unwrap();
        let made = json!({"id": intent, "status": "succeeded", "amount": cents, "amount_received": cents,
            "currency": form["currency"], "customer": form["customer"], "latest_charge": charge,
            "metadata": {"payment": form["metadata[payment]"]}});
        self.intents.insert(intent.clone(), made.clone());
        self.charges.insert(
            charge.clone(),
            json!({"id": charge, "amount": cents, "amount_refunded": 0, "currency": "usd",
            "payment_intent": intent, "receipt_url": "https://pay.stripe.com/receipts/auto"}),
        );
        self.movements
            .push(json!({"id": movement, "amount": cents, "currency": "usd", "created": 1,
            "source": {"id": charge, "payment_intent": intent, "amount": cents, "currency": "usd"}}));
        self.event("payment_intent.succeeded", made.clone());
        (200, made)
    }

    fn answer(&mut self, line: &str, body: &str, key: Option<String>) -> (u16, Value) {
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some((earlier, answer)) = key.as_ref().and_then(|key| self.answers.get(key)) {
            return if earlier == body {
                (200, answer.clone())
            } else {
                (
                    400,
                    json!({"error": {"type": "idempotency_error", "message": "other words"}}),
                )
            };
        }
        let (status, answer) = self.act(method, path, &fields(body), &fields(query));
        if let Some(key) = key.filter(|_| status == 200) {
            self.answers.insert(key, (body.to_owned(), answer.clone()));
        }
        (status, answer)
    }

    fn act(&mut self, method: &str, path: &str, form: &Fields, query: &Fields) -> (u16, Value) {
        let newest = |list: &[Value]| {
            let rest: Vec<Value> = list.iter().rev().cloned().collect();
            let after = query.get("starting_after");
            let from = after.map_or(0, |after| rest.iter().position(|one| one["id"] == **after).unwrap() + 1);
            let page: Vec<Value> = rest[from..].iter().take(100).cloned().collect();
            json!({"has_more": from + page.len() < rest.len(), "data": page})
        };
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        if let Some(id) = parts.last()
            && let Some(at) = self.stale.iter().position(|one| one["id"] == **id)
        {
            return (200, self.stale.remove(at).unwrap());
        }
        let found = |map: &BTreeMap<String, Value>, id: &str| match map.get(id) {
            Some(found) => (200, found.clone()),
            None => (
                404,
                json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "no such"}}),
            ),
        };
        match (method, parts.as_slice()) {
            ("POST", ["customers"]) => (200, json!({"id": self.id("cus")})),
            ("POST", ["checkout", "sessions"]) => {
                let id = self.id("cs");
                let cents: i64 = form["line_items[0][price_data][unit_amount]"].parse().unwrap();
                assert_eq!(
                    form["payment_intent_data[metadata][payment]"],
                    form["client_reference_id"]
                );
                let session = json!({
                    "id": id, "status": "open", "payment_status": "unpaid", "amount_total": cents,
                    "currency": form["line_items[0][price_data][currency]"], "customer": form["customer"],
                    "client_reference_id": form["client_reference_id"], "payment_intent": null,
                    "metadata": {"payment": form["client_reference_id"]}, "invoice": null,
                    "makes_invoice": form["invoice_creation[enabled]"],
                    "invoice_data": {"payment": form.get("invoice_creation[invoice_data][metadata][payment]")},
                    "success_url": form["success_url"], "url": format!("https://checkout.stripe.com/c/pay/{id}"),
                });
                self.sessions.insert(id, session.clone());
                (200, session)
            }
            ("GET", ["checkout", "sessions"]) => {
                let mine = self
                    .sessions
                    .values()
                    .filter(|one| one["customer"] == *query["customer"]);
                (200, newest(&mine.cloned().collect::<Vec<_>>()))
            }
            ("GET", ["checkout", "sessions", id]) => found(&self.sessions, id),
            ("GET", ["payment_intents"]) => {
                let mine = self
                    .intents
                    .values()
                    .filter(|one| one["customer"] == *query["customer"]);
                (200, newest(&mine.cloned().collect::<Vec<_>>()))
            }
            ("POST", ["payment_intents"]) => self.charge(form),
            ("GET", ["payment_methods", id]) => (200, json!({"id": id, "card": {"brand": "visa", "last4": "4242"}})),
            ("POST", ["payment_methods", _, "detach"]) => (200, json!({})),
            ("GET", ["payment_intents", id]) => found(&self.intents, id),
            ("GET", ["invoices", id]) => found(&self.invoices, id),
            ("POST", ["billing_portal", "sessions"]) => {
                assert!(form["return_url"].ends_with("/billing"));
                (
                    200,
                    json!({"id": self.id("bps"), "url": format!("https://billing.stripe.com/p/session/{}", form["customer"])}),
                )
            }
            ("GET", ["charges", id]) => found(&self.charges, id),
            ("GET", ["disputes", id]) => found(&self.disputes, id),
            ("GET", ["events"]) => (200, newest(&self.events)),
            ("GET", ["balance_transactions"]) => (200, newest(&self.movements)),
            _ => panic!("the stand-in does not know {method} {path}"),
        }
    }
}

type Fields = HashMap<String, String>;

/// The fields of a form or a query.
fn fields(text: &str) -> Fields {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// The header that signs `body` with `secret` at `at_s`.
pub fn signature(secret: &str, at_s: i64, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at_s}.{body}").as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={at_s},v1={hex}")
}
