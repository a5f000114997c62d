"""The app: every route of the API, and what each error is told as."""

from pathlib import Path

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.commands import Commands
from sealbook.adapters.http.edge import Bare, template_of
from sealbook.adapters.http.erasures import Erasures
from sealbook.adapters.http.errors import KNOWN, problem_of
from sealbook.adapters.http.health import Health
from sealbook.adapters.http.hot import HOT
from sealbook.adapters.http.interface import document
from sealbook.adapters.http.jobs import WhatIfJobs
from sealbook.adapters.http.lists import Lists
from sealbook.adapters.http.policies import Policies
from sealbook.adapters.http.problems import Fault, Problem, response
from sealbook.adapters.http.proofs import Proofs
from sealbook.adapters.http.reads import Reads
from sealbook.adapters.http.secrets import ISSUE, Secrets
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.tail import Tail
from sealbook.adapters.http.uses import Uses
from sealbook.adapters.http.webhooks import WebhookRoutes
from sealbook.adapters.webhooks.addresses import Reach


async def tell(_request: Request, error: Exception) -> Response:
    return response(problem_of(error))


async def tell_methods(request: Request, _error: Exception) -> Response:
    """Say which methods an address takes: several routes may share it, and each knows its own alone."""
    taken = document(request.app)["paths"][template_of(request.scope) or request.scope["path"]]
    return response(Problem(Fault.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(map(str.upper, taken)))}))


async def check_query(request: Request) -> None:
    """Raise Problem(invalid_request) for a question of which a part would not be heeded: the answer would mislead."""
    operation = document(request.app)["paths"][template_of(request.scope)][request.method.lower()]
    known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    if not request.query_params.keys() <= known:
        raise Problem(Fault.INVALID_REQUEST, "the query of the address has a name that is not known here")


def build(service: Service, *, version: str, health: Health, webhooks: Reach, seal: Path) -> FastAPI:
    """Return the app of one process. `webhooks` says where webhooks may lead, `seal` where the seal's folder is."""
    api = FastAPI(
        title="Sealbook",
        version=version,
        description="An event-sourced ledger of authentication credentials.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # A redirect would follow a header of the caller's.
        redirect_slashes=False,
        exception_handlers={**dict.fromkeys((*KNOWN, Exception), tell), 405: tell_methods},
    )
    uses, secrets = Uses(service), Secrets(service)

    async def issue(request: Request) -> Response:
        await check_query(request)
        return await secrets.issue(request)

    api.router.routes.insert(0, Bare(HOT, uses.use, methods=["POST"]))
    api.router.routes.insert(1, Bare("/v1/uses:batch", uses.batch, methods=["POST"]))
    api.router.routes.insert(2, Bare("/v1/credentials/{id}/challenges", uses.challenge, methods=["POST"]))
    # An enrollment is in a hurry as well: it is described where the others are, and answered here.
    api.router.routes.insert(3, Bare(ISSUE.path, issue, methods=["POST"]))

    async def authenticated(request: Request) -> None:
        await service.authenticated(request)

    for routes in (
        *(Commands(service), secrets, Erasures(service)),
        *(Reads(service), Policies(service), Lists(service)),
        *(Tail(service), Proofs(service, seal), WhatIfJobs(service)),
        WebhookRoutes(service, webhooks),
    ):
        # Who calls comes first: nobody else is told what is wrong with a request.
        api.include_router(routes.router(), dependencies=[Depends(authenticated), Depends(check_query)])
    api.router.routes.extend(health.routes())
    api.openapi = lambda: document(api)  # type: ignore[method-assign]  # as the framework has it done
    # Now, for it takes a while, and every request to come looks at it.
    document(api)
    return api
