//! What Stripe keeps for a team: its own pages about cards, addresses and invoices, and the invoices of payments.
//!
//! Invariant: only the team's own customer is asked for; an invoice belongs to the payment that is written on it, and only to one
//! of the same customer. Reads `customer`; writes the invoice of a `payment`.

use super::{
    Billing, BillingError,
    events::Outcome,
    payments::reference,
    stripe::{self, Invoice, Stripe},
};
use crate::teams::TeamScope;
use entity::{
    customer,
    payment::{Column, Entity},
};
use gateway_core::id::{self, Kind};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use stripe_checkout::checkout_session::{
    CreateCheckoutSessionInvoiceCreation, CreateCheckoutSessionInvoiceCreationInvoiceData,
};
use stripe_client_core::{RequestBuilder, StripeMethod};

/// The most characters of an invoice's number.
const NUMBER_MAX: usize = 60;

#[derive(Deserialize)]
struct Opened {
    url: String,
}

/// Has an invoice made of a payment with these marks, where that is wanted.
pub(super) fn invoice_with(stripe: &Stripe, marks: HashMap<String, String>) -> CreateCheckoutSessionInvoiceCreation {
    let mut invoice = CreateCheckoutSessionInvoiceCreation::new(stripe.makes_invoices());
    if invoice.enabled {
        let mut data = CreateCheckoutSessionInvoiceCreationInvoiceData::new();
        data.metadata = Some(marks);
        invoice.invoice_data = Some(data);
    }
    invoice
}

impl Billing {
    /// The address of Stripe's own pages for the team of `scope`, good for some minutes.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe, and for a team that never began a payment; [`BillingError::Stripe`].
    pub async fn portal(&self, scope: &TeamScope) -> Result<String, BillingError> {
        let stripe = self.stripe()?;
        let known = self.customer_of(scope).await?.ok_or(BillingError::NotFound)?;
        let form = json!({"customer": known, "return_url": format!("{}/billing", self.site())});
        let request = RequestBuilder::new(StripeMethod::Post, "/billing_portal/sessions").form(&form);
        let opened: Opened = stripe.call(request, None).await?;
        Ok(opened.url)
    }

    /// Whether Stripe knows the team of `scope`.
    ///
    /// # Errors
    /// [`BillingError::Database`].
    pub async fn has_portal(&self, scope: &TeamScope) -> Result<bool, BillingError> {
        Ok(self.customer_of(scope).await?.is_some())
    }

    async fn customer_of(&self, scope: &TeamScope) -> Result<Option<String>, DbErr> {
        let known = customer::Entity::find_by_id(scope.team_id()).one(&self.0.db).await?;
        Ok(known.map(|row| row.customer))
    }

    /// Notes the invoice, as Stripe has it now, with the payment that is written on it.
    pub(super) async fn follow_invoice(&self, stripe: &Stripe, invoice_id: &str) -> Result<Outcome, BillingError> {
        let invoice: Invoice = stripe.get(&format!("/invoices/{invoice_id}")).await?;
        let mark = invoice.metadata.get("payment");
        let Some(payment_id) = mark.and_then(|text| id::parse(Kind::Payment, text)) else {
            return Ok(Outcome::Ignored);
        };
        let url = invoice.hosted_invoice_url.filter(|url| url.starts_with("https://"));
        let (Some(url), Some(customer)) = (url, invoice.customer) else {
            return Ok(Outcome::Pending);
        };
        let number: Option<String> = invoice.number.map(|number| {
            let printable = number.chars().filter(|letter| !letter.is_control());
            printable.take(NUMBER_MAX).collect()
        });
        let noted = Entity::update_many()
            .col_expr(Column::Invoice, Expr::value(number))
            .col_expr(Column::InvoiceUrl, Expr::value(url))
            .filter(Column::Id.eq(payment_id))
            .filter(Column::Customer.eq(customer.0))
            .exec(&self.0.db)
            .await?;
        if noted.rows_affected == 0 {
            tracing::warn!(
                invoice_id,
                payment = reference(payment_id),
                "an invoice is for no payment of its customer"
            );
            return Ok(Outcome::Unknown);
        }
        Ok(Outcome::Noted)
    }

    /// The same for the invoice of a payment that was just credited: a help for people, so that a failure changes nothing.
    pub(super) async fn note_invoice(&self, stripe: &Stripe, invoice: Option<&stripe::Id>) {
        let Some(invoice_id) = invoice.and_then(|invoice| stripe::id(&invoice.0)) else {
            return;
        };
        if let Err(error) = self.follow_invoice(stripe, invoice_id).await {
            tracing::warn!(%error, invoice_id, "an invoice could not be read");
        }
    }
}
