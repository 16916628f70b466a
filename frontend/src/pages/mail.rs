//! Mail, for platform admins: the sender, a test, the outbox, and one mail with the links to copy.
//!
//! Reads [`crate::api::mail`]; the forms are sent to `/fn/update_mail`, `/fn/test_mail`, `/fn/retry_mail` and
//! `/fn/discard_mail`.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::frame::{Spot, Visit, copy, signed_in};
use crate::api::mail::{MailRead, MailRow, MailView, list_mails, mail, mail_settings};
use crate::api::{ApiError, Page, PageQuery};
use crate::ui::*;

/// `/admin/mail`
#[component]
pub fn MailPage() -> impl IntoView {
    let after = use_query_map().read_untracked().get("after");
    signed_in(Spot::new(Section::Mail, "Mail", "/admin/mail"), |visit| async move {
        let settings = mail_settings().await?;
        let mails = list_mails(PageQuery { limit: None, after }).await?;
        Ok::<_, ApiError>(page(&visit, settings, mails))
    })
}

fn page(visit: &Visit, settings: MailView, mails: Page<MailRow>) -> AnyView {
    let has_server = settings.server.is_some();
    let missing = (!has_server).then(|| {
        view! {
            <Notice
                tone=Tone::Warn
                title="No mail server is set."
                text="Mails stay in the outbox below, where you can read them and copy their links. Set OURHUB_SMTP_URL and start the server anew."
            />
        }
    });
    let card = sender(visit, settings);
    let outbox = outbox(visit, mails, has_server);
    view! {
        <PageHead title="Mail" lead="What the server writes to people: invitations, new passwords, alerts." />
        {missing}
        <div class="narrow">{card}</div>
        {outbox}
    }
    .into_any()
}

fn sender(visit: &Visit, settings: MailView) -> AnyView {
    let flash = &visit.flash;
    let server = settings.server.clone().unwrap_or_else(|| "none".to_owned());
    let facts = vec![
        Fact::new("Mail server", server),
        Fact::new("Links lead to", settings.public_url),
    ];
    let test = settings.server.is_some().then(|| {
        view! {
            <PostForm action="/fn/test_mail">
                <Button text="Send a test to me" />
            </PostForm>
        }
    });
    let proves = flash.value("verify_sign_ups", &settings.verify_sign_ups.to_string()) == "true";
    let (value, wrong) = (flash.value("sender", &settings.sender), flash.error_of("sender"));
    view! {
        <Card title="Sending">
            <Facts of=facts />
            <PostForm class="stack" action="/fn/update_mail">
                <TextField
                    name="sender"
                    label="Sender"
                    value=value
                    hint="Such as OurHub <hub@example.com>. Empty: an address at the public URL’s host."
                    nostrip:error=wrong
                />
                <CheckField
                    name="verify_sign_ups"
                    label="Who signs up proves their address first"
                    checked=proves
                    hint="They are in once they opened a mailed link. It is not told whether an address is known."
                />
                <div class="row">
                    <Button text="Save sending" kind=Kind::Primary />
                </div>
            </PostForm>
            {test}
        </Card>
    }
    .into_any()
}

fn outbox(visit: &Visit, mails: Page<MailRow>, has_server: bool) -> AnyView {
    if mails.data.is_empty() {
        return view! {
            <Empty
                icon=Glyph::Mail
                title="Nothing was written yet"
                text="Mails of the last 30 days are listed here with what became of them."
            />
        }
        .into_any();
    }
    let head = vec![
        th("Mail", ""),
        th("To", "p2"),
        th("Written", "p3"),
        th("State", "p2"),
        th("Actions", "act"),
    ];
    let older = mails.next.map(|after| format!("/admin/mail?after={after}"));
    let note = counted_rows(&mails.data, "mail", "mails");
    let rows = mails
        .data
        .into_iter()
        .map(|mail| row(&visit.clock, mail, has_server))
        .collect_view();
    let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
    view! {
        <Table head=head pager=pager>
            {rows}
        </Table>
    }
    .into_any()
}

/// The state in a tone and words.
fn state(clock: &Clock, mail: &MailRow, has_server: bool) -> (Tone, String) {
    match (mail.state.as_str(), mail.next_at) {
        ("sent", _) => (Tone::Ok, "Sent".to_owned()),
        ("waits", _) if !has_server => (Tone::Warn, "Waits for a mail server".to_owned()),
        ("waits", Some(next)) if mail.attempts > 0 => (Tone::Warn, format!("Tried again {}", clock.relative(next))),
        ("waits", _) => (Tone::Neutral, "Waits".to_owned()),
        _ => (Tone::Bad, "Not sent".to_owned()),
    }
}

fn row(clock: &Clock, mail: MailRow, has_server: bool) -> AnyView {
    let (tone, word) = state(clock, &mail, has_server);
    let again = (mail.state != "sent").then(|| {
        let fields = vec![("id", mail.id.clone())];
        view! { <MenuPost action="/fn/retry_mail" fields=fields icon=Glyph::Refresh text="Try now" /> }
    });
    let fields = vec![("id", mail.id.clone())];
    let trouble = mail.last_error.map(|error| view! { <span class="sub">{error}</span> });
    view! {
        <tr>
            <td class="main">
                <a class="link" href=format!("/admin/mail/{}", mail.id)>
                    {mail.subject.clone()}
                </a>
                <span class="sub only-sm">{mail.recipient.clone()}</span>
                <span class="sub only-sm">
                    <Status tone=tone text=word.clone() />
                </span>
                {trouble}
            </td>
            <td class="p2 muted">{mail.recipient}</td>
            <td class="p3 muted">
                <When at=mail.created_at clock=clock.clone() />
            </td>
            <td class="p2">
                <Status tone=tone text=word />
            </td>
            <td class="act">
                <Menu label=format!("Actions for {}", mail.subject)>
                    <MenuItem href=format!("/admin/mail/{}", mail.id) icon=Glyph::Eye text="Read" />
                    {again}
                    <MenuPost action="/fn/discard_mail" fields=fields icon=Glyph::Trash text="Throw away" />
                </Menu>
            </td>
        </tr>
    }
    .into_any()
}

/// `/admin/mail/{id}`: the password is asked for, since a link lets in whoever has it.
#[component]
pub fn MailReadPage() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Mail, "One mail", format!("/admin/mail/{id}")).via("/admin/mail", "Mail");
    signed_in(spot, |visit| async move {
        let read = mail(id).await?;
        Ok::<_, ApiError>(one(&visit, read))
    })
}

fn one(visit: &Visit, read: MailRead) -> AnyView {
    let MailRead { row, text } = read;
    let clock = visit.clock.clone();
    let facts = vec![
        Fact::new("To", row.recipient),
        Fact::new("Kind", row.kind.replace('_', " ")),
        Fact::new("Written", view! { <When at=row.created_at clock=clock /> }),
        Fact::new("Tries", row.attempts.to_string()),
        Fact::new("Last error", row.last_error.unwrap_or_else(|| "none".to_owned())),
    ];
    let body = match text {
        Some(text) => {
            let link = text.lines().find(|line| line.starts_with("http")).map(str::to_owned);
            let act = link.and_then(|link| copy(link, "Copy link"));
            view! {
                <CodeBlock title="What it says" code=text wrap=true />
                <div class="row">{act}</div>
            }
            .into_any()
        }
        None => view! { <p class="muted">"It was sent or is too old, so what it said is not kept."</p> }.into_any(),
    };
    view! {
        <PageHead title=row.subject />
        <div class="narrow stack">
            <Card title="Mail">
                <Facts of=facts />
                {body}
            </Card>
        </div>
    }
    .into_any()
}
