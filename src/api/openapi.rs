//! The contract, generated from the handlers and their types. A snapshot test fails when it moves.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi as Contract, SecurityRequirement};

use super::{
    alerts, audit, budgets, control, hitl, observe, plan, problem, publishing, runs, tables, token_routes, tools, work,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Syzygy", description = "Agents and tools as supervised actors under one governor."),
    paths(
        work::classify,
        work::cut,
        work::route,
        work::put_together,
        work::feedback,
        tables::fib,
        tables::rib,
        tables::next,
        tables::next_for,
        tables::rebuild,
        tables::why_not,
        control::weights,
        control::set_weight,
        control::caps,
        control::set_cap,
        control::overrides,
        control::set_override,
        control::announce,
        control::withdraw,
        budgets::budgets,
        tools::list,
        tools::show,
        tools::invoke,
        publishing::publish,
        publishing::retire,
        publishing::stage,
        publishing::doubts,
        publishing::settle,
        alerts::list,
        alerts::acknowledge,
        alerts::silences,
        alerts::silence,
        alerts::unsilence,
        alerts::standing,
        plan::show,
        runs::list,
        runs::show,
        runs::cancel,
        runs::events,
        runs::explain,
        hitl::list,
        hitl::show,
        hitl::approve,
        hitl::deny,
        hitl::delegate,
        hitl::expire,
        observe::tree,
        observe::metrics,
        observe::contract,
        observe::healthz,
        observe::readyz,
        audit::verify,
        audit::export,
        token_routes::list,
        token_routes::make,
        token_routes::revoke,
    ),
    components(schemas(problem::Problem, crate::actors::io::Progress))
)]
struct Described;

/// The contract of this version.
pub(super) fn contract(version: &str) -> Contract {
    let mut contract = Described::openapi();
    version.clone_into(&mut contract.info.version);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("the operator's is in operator.token of the data directory"))
        .build();
    let components = contract.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    contract.components =
        Some(ComponentsBuilder::from(components).security_scheme("token", SecurityScheme::Http(bearer)).build());
    contract.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    contract
}
