"""The route table: every path of the API, in one place.

`edge.py` serves it, `openapi.py` describes it, `docs/rest.md` has a heading for each row.
"""

from __future__ import annotations

from caxton_core.views import (
    AcceptedView,
    AgentView,
    ConversationView,
    DeadLetterView,
    DeployedView,
    DeploymentView,
    EventView,
    ExchangeView,
    HealthView,
    LogLine,
    MessageView,
    ModuleView,
    Page,
    PluginView,
    ServiceView,
    StatsView,
    VersionView,
)

from caxton_server.rest import (
    agents,
    config,
    conversations,
    dead_letters,
    deployments,
    directory,
    events,
    messages,
    modules,
    openapi,
    plugins,
    probes,
    uploads,
)
from caxton_server.rest.calls import Route
from caxton_server.rest.missing import lacking
from caxton_server.rest.probes import StatusView
from caxton_server.rest.queries import PageQuery
from caxton_server.runtime.operators import VERBS

PROBES = (
    Route("GET", "/livez", probes.alive, "Is the process alive?", answers={200: StatusView}, probe=True),
    Route("GET", "/readyz", probes.ready, "Does the node take work?", answers={200: StatusView}, probe=True),
    Route("GET", "/ready", probes.ready, "The same as /readyz.", answers={200: StatusView}, probe=True),
    Route("GET", "/startupz", probes.started, "Has the node started?", answers={200: StatusView}, probe=True),
    Route("GET", "/health", probes.health, "The node in one look.", answers={200: HealthView}, probe=True),
)  # fmt: skip

MODULES = (
    Route("POST", "/modules", modules.create, "Push a module; the header Caxton-Signature may bring its signature file, in Base64.", modules.PushQuery, modules.BODY, {201: ModuleView}),
    Route("GET", "/modules", modules.index, "List modules.", PageQuery, answers={200: Page[ModuleView]}),
    Route("GET", "/modules/{ref}", modules.show, "Show a module.", answers={200: ModuleView}),
    Route("DELETE", "/modules/{ref}", modules.remove, "Forget a module.", answers={204: None}),
)  # fmt: skip

AGENTS = (
    Route("POST", "/agents", agents.create, "Deploy a new agent.", body=uploads.BODY, answers={201: DeployedView}),
    Route("GET", "/agents", agents.index, "List agents.", agents.AgentsQuery, answers={200: Page[AgentView]}),
    Route("GET", "/agents/{ref}", agents.show, "Show an agent.", answers={200: AgentView}),
    Route("DELETE", "/agents/{ref}", agents.remove, "Remove an agent.", answers={204: None}),
    *(
        Route("POST", f"/agents/{{ref}}/{verb}", agents.control, f"{verb.capitalize()} an agent.", answers={200: AgentView})
        for verb in VERBS
    ),
    Route("GET", "/agents/{ref}/stats", agents.stats, "Show what an agent has used.", answers={200: StatsView}),
    Route("GET", "/agents/{ref}/logs", agents.logs, "Show or follow an agent's log.", agents.LogsQuery, answers={200: Page[LogLine]}),
    Route("GET", "/agents/{ref}/versions", agents.versions, "List an agent's versions.", answers={200: Page[VersionView]}),
)  # fmt: skip

DEPLOYMENT_VERBS = ("pause", "resume", "promote", "abort", "rollback")
DEPLOYMENTS = (
    Route("POST", "/deployments", deployments.create, "Deploy a version.", body=uploads.BODY, answers={202: DeploymentView}),
    Route("GET", "/deployments", deployments.index, "List deployments.", PageQuery, answers={200: Page[DeploymentView]}),
    Route("GET", "/deployments/{ref}", deployments.show, "Show a deployment.", answers={200: DeploymentView}),
    Route("GET", "/deployments/{ref}/analysis", lacking("the analysis of deployments"), "Show a deployment's analysis."),
    *(
        Route("POST", f"/deployments/{{ref}}/{verb}", lacking(f"to {verb} deployments"), f"{verb.capitalize()} a deployment.")
        for verb in DEPLOYMENT_VERBS
    ),
)  # fmt: skip

MESSAGES = (
    Route("POST", "/messages", messages.send, "Send a message.", messages.SendQuery, messages.BODY, {202: AcceptedView, 200: ExchangeView}),
    Route("GET", "/messages", messages.index, "List messages.", messages.MessagesQuery, answers={200: Page[MessageView]}),
    Route("GET", "/messages/{ref}", messages.show, "Show a message and its history.", answers={200: MessageView}),
)  # fmt: skip

CONVERSATIONS = (
    Route("POST", "/conversations", conversations.create, "Open a conversation.", body=conversations.BODY, answers={201: ConversationView, 200: ConversationView}),
    Route("GET", "/conversations", conversations.index, "List conversations.", conversations.ConversationsQuery, answers={200: Page[ConversationView]}),
    Route("GET", "/conversations/{ref}", conversations.show, "Show a conversation.", answers={200: ConversationView}),
    Route("GET", "/conversations/{ref}/messages", conversations.index_messages, "List or follow a conversation's messages.", conversations.ConversationMessagesQuery, answers={200: Page[MessageView]}),
    Route("POST", "/conversations/{ref}/cancel", conversations.cancel, "Cancel a conversation.", answers={200: ConversationView}),
)  # fmt: skip

DEAD_LETTERS = (
    Route("GET", "/dead-letters", dead_letters.index, "List dead letters.", PageQuery, answers={200: Page[DeadLetterView]}),
    Route("POST", "/dead-letters/{ref}/redrive", dead_letters.redrive, "Send a dead letter again.", answers={202: AcceptedView}),
    Route("DELETE", "/dead-letters/{ref}", dead_letters.remove, "Remove a dead letter.", answers={204: None}),
)  # fmt: skip

NODE = (
    Route("GET", "/directory", directory.index, "Look up services.", directory.DirectoryQuery, answers={200: Page[ServiceView]}),
    Route("GET", "/events", events.follow, "Follow the event log.", events.EventsQuery, answers={200: EventView}, stream=True),
    Route("GET", "/plugins", plugins.index, "List plugins.", answers={200: Page[PluginView]}),
    Route("GET", "/config", config.show, "Show the configuration.", answers={200: dict}),
    Route("GET", "/tokens", lacking("tokens"), "List tokens."),
    Route("POST", "/tokens", lacking("tokens"), "Create a token."),
    Route("DELETE", "/tokens", lacking("tokens"), "Revoke all tokens."),
    Route("DELETE", "/tokens/{ref}", lacking("tokens"), "Revoke a token."),
    Route("GET", "/audit", lacking("the audit log"), "Read the audit log."),
    Route("GET", "/openapi.json", openapi.show, "This API in OpenAPI 3.1.", answers={200: dict}),
)  # fmt: skip

ROUTES: tuple[Route, ...] = (
    *PROBES,
    *MODULES,
    *AGENTS,
    *DEPLOYMENTS,
    *MESSAGES,
    *CONVERSATIONS,
    *DEAD_LETTERS,
    *NODE,
)
