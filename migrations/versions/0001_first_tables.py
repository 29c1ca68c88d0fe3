"""The first tables, and the role that api and worker run as.

``wharfinger_app`` has grants only: it owns nothing, and it cannot change or delete an event. The login of
WHARFINGER_DATABASE_URL is to be its member. A role belongs to the whole server, so a downgrade leaves it.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLE = """
    DO $$ BEGIN
        -- Looked up first, because an owner who may not make roles is refused even when it exists.
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'wharfinger_app') THEN
            CREATE ROLE wharfinger_app NOLOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migration was faster
        WHEN insufficient_privilege THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'there is no role wharfinger_app, and ' || current_user || ' may not make one',
                HINT = 'As a superuser: CREATE ROLE wharfinger_app NOLOGIN';
    END $$
"""

TABLES = (
    """
    CREATE TABLE cluster (
        name TEXT NOT NULL,
        context TEXT,
        first_port INTEGER NOT NULL,
        last_port INTEGER NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT cluster_pkey PRIMARY KEY (name),
        CONSTRAINT cluster_range_check CHECK (1 <= first_port AND first_port <= last_port AND last_port <= 65535)
    )
    """,
    """
    CREATE TABLE team (
        name TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT team_pkey PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE token (
        id UUID NOT NULL,
        sha256 TEXT NOT NULL,
        kind TEXT NOT NULL,
        person TEXT NOT NULL,
        teams TEXT[] NOT NULL,
        groups TEXT[] NOT NULL,
        roles TEXT[] NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT token_pkey PRIMARY KEY (id),
        CONSTRAINT token_sha256_key UNIQUE (sha256),
        CONSTRAINT token_kind_check CHECK (kind IN ('person', 'service_account'))
    )
    """,
    """
    CREATE TABLE cluster_view (
        cluster TEXT NOT NULL,
        node_addresses TEXT[] NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE,
        problem TEXT,
        change_count BIGINT NOT NULL,
        CONSTRAINT cluster_view_pkey PRIMARY KEY (cluster),
        CONSTRAINT cluster_view_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE namespace (
        cluster TEXT NOT NULL,
        name TEXT NOT NULL,
        environment TEXT,
        CONSTRAINT namespace_pkey PRIMARY KEY (cluster, name),
        CONSTRAINT namespace_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name)
    )
    """,
    """
    CREATE TABLE exposure (
        id UUID NOT NULL,
        cluster TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        team TEXT NOT NULL,
        intent TEXT NOT NULL,
        generation INTEGER NOT NULL,
        change_count BIGINT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        end_reason TEXT,
        CONSTRAINT exposure_pkey PRIMARY KEY (id),
        CONSTRAINT exposure_cluster_fkey FOREIGN KEY(cluster, namespace) REFERENCES namespace (cluster, name),
        CONSTRAINT exposure_intent_check CHECK (intent IN ('present', 'suspended', 'absent')),
        CONSTRAINT exposure_team_fkey FOREIGN KEY(team) REFERENCES team (name)
    )
    """,
    """
    CREATE INDEX exposure_created_at_id_idx ON exposure (created_at, id)
    """,
    """
    CREATE UNIQUE INDEX exposure_name_key ON exposure (cluster, namespace, name) WHERE ended_at IS NULL
    """,
    """
    CREATE INDEX exposure_team_created_at_id_idx ON exposure (team, created_at, id)
    """,
    """
    CREATE TABLE team_namespace (
        team TEXT NOT NULL,
        cluster TEXT NOT NULL,
        namespace TEXT NOT NULL,
        CONSTRAINT team_namespace_pkey PRIMARY KEY (team, cluster, namespace),
        CONSTRAINT team_namespace_cluster_fkey FOREIGN KEY(cluster, namespace) REFERENCES namespace (cluster, name),
        CONSTRAINT team_namespace_team_fkey FOREIGN KEY(team) REFERENCES team (name)
    )
    """,
    """
    CREATE TABLE event (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        exposure_id UUID NOT NULL,
        kind TEXT NOT NULL,
        revision INTEGER,
        actor JSONB NOT NULL,
        request_id TEXT,
        data JSONB NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT event_pkey PRIMARY KEY (id),
        CONSTRAINT event_exposure_id_fkey FOREIGN KEY(exposure_id) REFERENCES exposure (id)
    )
    """,
    """
    CREATE INDEX event_exposure_id_id_idx ON event (exposure_id, id)
    """,
    """
    CREATE TABLE exposure_sync (
        exposure_id UUID NOT NULL,
        state TEXT NOT NULL,
        revision INTEGER,
        uid TEXT,
        create_tokens TEXT[] NOT NULL,
        create_sent_at TIMESTAMP WITH TIME ZONE,
        aim TEXT,
        attempts INTEGER NOT NULL,
        next_attempt_at TIMESTAMP WITH TIME ZONE,
        reason TEXT,
        message TEXT,
        retryable BOOLEAN NOT NULL,
        still_serving BOOLEAN NOT NULL,
        ready_endpoints INTEGER NOT NULL,
        ingress JSONB NOT NULL,
        cluster_ip TEXT,
        sync_count BIGINT NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE,
        ready_changed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT exposure_sync_pkey PRIMARY KEY (exposure_id),
        CONSTRAINT exposure_sync_state_check CHECK (state IN ('none', 'applying', 'in_sync', 'drifted', 'failed', 'removing', 'removed', 'unknown')),
        CONSTRAINT exposure_sync_exposure_id_fkey FOREIGN KEY(exposure_id) REFERENCES exposure (id)
    )
    """,
    """
    CREATE TABLE port_claim (
        cluster TEXT NOT NULL,
        port INTEGER NOT NULL,
        state TEXT NOT NULL,
        team TEXT,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        exposure_id UUID,
        reason TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT port_claim_pkey PRIMARY KEY (cluster, port),
        CONSTRAINT port_claim_port_check CHECK (port BETWEEN 1 AND 65535),
        CONSTRAINT port_claim_owner_check CHECK ((state = 'foreign') = (exposure_id IS NULL)),
        CONSTRAINT port_claim_cooling_check CHECK (state <> 'cooling' OR until IS NOT NULL),
        CONSTRAINT port_claim_state_check CHECK (state IN ('held', 'bound', 'cooling', 'foreign')),
        CONSTRAINT port_claim_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name),
        CONSTRAINT port_claim_exposure_id_fkey FOREIGN KEY(exposure_id) REFERENCES exposure (id)
    )
    """,
    """
    CREATE INDEX port_claim_exposure_id_idx ON port_claim (exposure_id)
    """,
    """
    CREATE TABLE revision (
        exposure_id UUID NOT NULL,
        number INTEGER NOT NULL,
        spec JSONB NOT NULL,
        manifest JSONB NOT NULL,
        digest TEXT NOT NULL,
        allocation JSONB NOT NULL,
        decision TEXT NOT NULL,
        requested_by JSONB NOT NULL,
        request_id TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        decided_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT revision_pkey PRIMARY KEY (exposure_id, number),
        CONSTRAINT revision_decision_check CHECK (decision IN ('pending', 'approved', 'rejected', 'withdrawn', 'expired', 'superseded', 'invalidated', 'live', 'retired')),
        CONSTRAINT revision_exposure_id_fkey FOREIGN KEY(exposure_id) REFERENCES exposure (id)
    )
    """,
    """
    CREATE UNIQUE INDEX revision_live_key ON revision (exposure_id) WHERE decision = 'live'
    """,
    """
    CREATE UNIQUE INDEX revision_pending_key ON revision (exposure_id) WHERE decision = 'pending'
    """,
    """
    CREATE TABLE review (
        id UUID NOT NULL,
        exposure_id UUID NOT NULL,
        revision INTEGER NOT NULL,
        person TEXT NOT NULL,
        reviewer JSONB NOT NULL,
        verdict TEXT NOT NULL,
        digest TEXT NOT NULL,
        comment TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT review_pkey PRIMARY KEY (id),
        CONSTRAINT review_exposure_id_fkey FOREIGN KEY(exposure_id, revision) REFERENCES revision (exposure_id, number),
        CONSTRAINT review_exposure_id_revision_person_key UNIQUE (exposure_id, revision, person),
        CONSTRAINT review_verdict_check CHECK (verdict IN ('approve', 'reject'))
    )
    """,
)

GRANTS = """
    GRANT USAGE ON SCHEMA public TO wharfinger_app;
    GRANT SELECT ON alembic_version TO wharfinger_app;
    GRANT SELECT, INSERT ON event, review TO wharfinger_app;
    GRANT SELECT, INSERT, UPDATE ON
        cluster, cluster_view, exposure, exposure_sync, namespace, revision, team, team_namespace, token
        TO wharfinger_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON port_claim TO wharfinger_app
"""

REVOKES = """
    REVOKE USAGE ON SCHEMA public FROM wharfinger_app;
    REVOKE SELECT ON alembic_version FROM wharfinger_app
"""


def upgrade() -> None:
    op.execute(ROLE)
    for statement in TABLES:
        op.execute(statement)
    for statement in GRANTS.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "review",
        "revision",
        "port_claim",
        "exposure_sync",
        "event",
        "team_namespace",
        "exposure",
        "namespace",
        "cluster_view",
        "token",
        "team",
        "cluster",
    ):
        op.execute(f"DROP TABLE {table}")
    for statement in REVOKES.split(";"):
        op.execute(statement)
