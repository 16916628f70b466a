//! The exports: requests as CSV, with the filters of the usage page, the monthly statement, what was earned, and one's own data as JSON.
//!
//! Invariant: no cell is taken for a formula by a spreadsheet; at most [`ROWS_MAX`] rows. Pure, but for what the backend reads.

use super::management::{
    answer::{Failure, Find},
    query::Month,
};
use crate::{csv, dashboard::Principal};
use actix_web::{HttpResponse, web};
use frontend::api::{
    CURRENT_TEAM, Nano, PageQuery, Time,
    profile::Profiles,
    revenue::Revenues,
    statement::Statements,
    usage::{RequestFilter, RequestRow, UsageReads},
};
use gateway_core::usage::Kind;
use std::sync::Arc;

/// The most rows of one file.
const ROWS_MAX: usize = 50_000;
/// Rows read at a time.
const PAGE: u32 = 200;
/// The first columns; the kinds of tokens that few requests have follow.
const HEADER: &str = "time,request,key,member,model,operation,outcome,status,attempts,input,cache_read,cache_write,output,\
                      held_usd,charged_usd,own_counted_usd,is_estimate,ttft_ms,total_ms";

/// `GET /usage.csv`
pub async fn requests(
    principal: web::ReqData<Arc<Principal>>,
    filter: Find<RequestFilter>,
) -> Result<HttpResponse, Failure> {
    let file = write(&principal, filter.0).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", "attachment; filename=\"usage.csv\""))
        .body(file))
}

/// What few requests have, in the last columns.
fn others() -> impl Iterator<Item = Kind> {
    Kind::RARE.into_iter().map(|(kind, _)| kind).chain(Kind::UNITS)
}

/// `GET /billing/statement.csv`: the amounts between the first and the last line sum up to the difference of the two.
pub async fn statement(principal: web::ReqData<Arc<Principal>>, query: Find<Month>) -> Result<HttpResponse, Failure> {
    let statement = principal.statement(CURRENT_TEAM, query.0.month.as_deref()).await?;
    let mut file = "line,time,what,requests,amount_usd\r\n".to_owned();
    let mut push = |cells: [String; 5]| {
        file.push_str(&cells.map(|cell| csv::cell(&cell)).join(","));
        file.push_str("\r\n");
    };
    let amount = |amount: Nano| amount.render_fixed(9);
    let end = |name: &str, at: Time, balance| {
        [
            name.to_owned(),
            at.render(),
            String::new(),
            String::new(),
            amount(balance),
        ]
    };
    push(end("opening", statement.from, statement.opening));
    for day in statement.days {
        let charged = amount(Nano(day.charged.0.saturating_neg()));
        push([
            "charges".to_owned(),
            day.of,
            String::new(),
            day.requests.to_string(),
            charged,
        ]);
    }
    for line in statement.entries {
        push([
            line.kind,
            line.at.render(),
            line.reason,
            String::new(),
            amount(line.amount),
        ]);
    }
    push(end("closing", statement.to, statement.closing));
    let name = format!("attachment; filename=\"statement-{}.csv\"", statement.month);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", name))
        .body(file))
}

/// `GET /admin/revenue.csv`: each model and each upstream account of a month, and every month.
pub async fn revenue(principal: web::ReqData<Arc<Principal>>, query: Find<Month>) -> Result<HttpResponse, Failure> {
    let revenue = principal.revenue(query.0.month.as_deref()).await?;
    let mut file = "line,of,requests,charged_usd,corrected_usd,cost_usd,margin_usd\r\n".to_owned();
    let mut push = |cells: [String; 7]| {
        file.push_str(&cells.map(|cell| csv::cell(&cell)).join(","));
        file.push_str("\r\n");
    };
    let amount = |amount: Nano| amount.render_fixed(9);
    for (name, lines) in [("model", revenue.models), ("account", revenue.accounts)] {
        for line in lines {
            push([
                name.to_owned(),
                line.of.name,
                line.requests.to_string(),
                amount(line.charged),
                String::new(),
                amount(line.cost),
                amount(line.margin),
            ]);
        }
    }
    for month in revenue.months {
        push([
            "month".to_owned(),
            month.month,
            month.requests.to_string(),
            amount(month.charged),
            amount(month.corrected),
            amount(month.cost),
            amount(month.margin),
        ]);
    }
    let name = format!("attachment; filename=\"revenue-{}.csv\"", revenue.shown.month);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", name))
        .body(file))
}

/// `GET /profile.json`
pub async fn profile(principal: web::ReqData<Arc<Principal>>) -> Result<HttpResponse, Failure> {
    let file = principal.export_self().await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("content-disposition", "attachment; filename=\"profile.json\""))
        .body(file))
}

async fn write(principal: &Principal, filter: RequestFilter) -> Result<String, Failure> {
    let mut file = HEADER.to_owned();
    for kind in others() {
        file.push(',');
        file.push_str(kind.as_str());
    }
    file.push_str("\r\n");
    let (mut rows, mut after) = (0, None);
    loop {
        let page = PageQuery {
            limit: Some(PAGE),
            after,
        };
        let page = principal.requests(CURRENT_TEAM, filter.clone(), page).await?;
        rows += page.data.len();
        page.data.iter().for_each(|row| push(&mut file, row));
        match page.next {
            Some(next) if rows < ROWS_MAX => after = Some(next),
            _ => return Ok(file),
        }
    }
}

fn push(file: &mut String, row: &RequestRow) {
    let number = |number: Option<i64>| number.map_or_else(String::new, |number| number.to_string());
    let cells = [
        row.started_at.render(),
        row.id.clone(),
        row.key.name.clone(),
        row.member
            .as_ref()
            .map_or_else(String::new, |member| member.name.clone()),
        row.model.clone(),
        row.operation.clone(),
        row.outcome.clone(),
        number(row.status.map(i64::from)),
        row.attempts.to_string(),
        row.usage.input.to_string(),
        row.usage.cache_read.to_string(),
        row.usage.cache_write.to_string(),
        row.usage.output.to_string(),
        row.held.render(),
        row.charged.render(),
        row.own_counted.render(),
        row.is_estimate.to_string(),
        number(row.ttft_ms),
        number(row.total_ms),
    ];
    let others: Vec<String> = others().map(|kind| row.usage.count(kind).to_string()).collect();
    let cells: Vec<String> = cells.iter().chain(&others).map(|cell| csv::cell(cell)).collect();
    file.push_str(&cells.join(","));
    file.push_str("\r\n");
}
