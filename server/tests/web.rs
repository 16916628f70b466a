//! The dashboard and the management API as browsers and programs see them: over HTTP, on a database of each test's own.
//!
//! Invariant: nothing here needs the network or another process. Each module proves one promise.

#![allow(clippy::unwrap_used)]

#[path = "web/harness.rs"]
mod harness;

#[path = "web/accounts.rs"]
mod accounts;
#[path = "web/adjust.rs"]
mod adjust;
#[path = "web/alerts.rs"]
mod alerts;
#[path = "web/aliases.rs"]
mod aliases;
#[path = "people/app.rs"]
mod app;
#[path = "web/audit.rs"]
mod audit;
#[path = "web/auto.rs"]
mod auto;
#[path = "web/bodies.rs"]
mod bodies;
#[path = "web/canary.rs"]
mod canary;
#[path = "web/cap_alerts.rs"]
mod cap_alerts;
#[path = "web/codes.rs"]
mod codes;
#[path = "web/confirm.rs"]
mod confirm;
#[path = "web/crawl.rs"]
mod crawl;
#[path = "web/cursors.rs"]
mod cursors;
#[path = "web/days.rs"]
mod days;
#[path = "web/entrance.rs"]
mod entrance;
#[path = "web/factor.rs"]
mod factor;
#[path = "web/finder.rs"]
mod finder;
#[path = "web/forgery.rs"]
mod forgery;
#[path = "web/health.rs"]
mod health;
#[path = "web/hosted_tools.rs"]
mod hosted_tools;
#[path = "web/invitations.rs"]
mod invitations;
#[path = "web/issuer.rs"]
mod issuer;
#[path = "web/links.rs"]
mod links;
#[path = "web/mail.rs"]
mod mail;
#[path = "web/management.rs"]
mod management;
#[path = "web/master.rs"]
mod master;
#[path = "web/membership.rs"]
mod membership;
#[path = "web/odd_payments.rs"]
mod odd_payments;
#[path = "web/own_accounts.rs"]
mod own_accounts;
#[path = "web/own_data.rs"]
mod own_data;
#[path = "web/payment_races.rs"]
mod payment_races;
#[path = "web/payments.rs"]
mod payments;
#[path = "web/portal.rs"]
mod portal;
#[path = "web/revenue.rs"]
mod revenue;
#[path = "web/roles.rs"]
mod roles;
#[path = "web/schedules.rs"]
mod schedules;
#[path = "web/shapes.rs"]
mod shapes;
#[path = "web/sign_in.rs"]
mod sign_in;
#[path = "web/sign_up.rs"]
mod sign_up;
#[path = "people/smtp.rs"]
mod smtp;
#[path = "web/statement.rs"]
mod statement;
#[path = "web/stripe.rs"]
mod stripe;
#[path = "web/teams.rs"]
mod teams;
#[path = "web/tenancy.rs"]
mod tenancy;
#[path = "web/usage.rs"]
mod usage;
#[path = "web/users.rs"]
mod users;
#[path = "web/webhooks.rs"]
mod webhooks;
#[path = "web/world.rs"]
mod world;
