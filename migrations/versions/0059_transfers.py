"""Money that becomes another customer's credit is a transfer; passwords for once expire."""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"

GUARD = """
CREATE OR REPLACE FUNCTION settlement_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'proposed' OR NEW.checker <> '' OR NEW.moves <> 0 THEN
        RAISE EXCEPTION 'a settlement is born as a proposal' USING ERRCODE = 'check_violation';
    END IF;
    -- Neither how much it moves nor how much may be moved is taken from whoever writes it. What one person has moved
    -- of this payment alone counts: a large answer in small pieces is a large answer.
    NEW.minor := greatest(
        (SELECT coalesce(sum(part), 0) FROM unnest(NEW.minors) AS part)
        + (SELECT coalesce(sum((place->>'minor')::bigint), 0) FROM jsonb_array_elements(NEW.places) AS place),
        (SELECT coalesce(sum(a.minor), 0) FROM public.allocations a
         WHERE a.id = ANY(NEW.undoes) AND a.payment_id = NEW.payment_id AND a.undone_at IS NULL)
        + (SELECT coalesce(sum(l.minor), 0) FROM public.placements l
           WHERE l.id = ANY(NEW.lifts) AND l.undone_at IS NULL),
        CASE WHEN NEW.denies THEN (SELECT p.minor FROM public.payments p WHERE p.id = NEW.payment_id) ELSE 0 END);
    NEW.limit_minor := greatest(0,
        coalesce((SELECT minor FROM public.approval_limits WHERE action = 'settle'), 0)
        - coalesce((SELECT sum(s.minor) FROM public.settlements s
                    WHERE s.payment_id = NEW.payment_id AND s.state = 'applied' AND s.checker = s.maker), 0));
    -- From one customer to another, to a bill or as credit: whatever its amount, two people on evidence. What a person
    -- took from somebody before counts as theirs.
    IF EXISTS (
        SELECT 1 FROM (
            SELECT b.customer_id FROM public.allocations a JOIN public.bills b ON b.id = a.bill_id
            WHERE a.payment_id = NEW.payment_id AND (a.id = ANY(NEW.undoes) OR a.barred OR EXISTS (
                SELECT 1 FROM public.settlements s
                WHERE s.payment_id = NEW.payment_id AND s.state = 'applied' AND a.id = ANY(s.undoes)))
            UNION SELECT l.customer_id FROM public.placements l
            WHERE l.payment_id = NEW.payment_id AND l.kind = 'credit'
              AND (l.id = ANY(NEW.lifts) OR l.undone_at IS NOT NULL)
        ) had JOIN (
            SELECT n.customer_id FROM public.bills n WHERE n.id = ANY(NEW.bills)
            UNION SELECT (place->>'customer_id')::bigint FROM jsonb_array_elements(NEW.places) AS place
            WHERE place->>'kind' = 'credit'
        ) gets ON gets.customer_id <> had.customer_id
    ) THEN
        NEW.limit_minor := 0;
        IF NOT EXISTS (SELECT 1 FROM public.remarks r WHERE r.mismatch_id = NEW.mismatch_id AND r.kind = 'evidence')
        THEN
            RAISE EXCEPTION 'a transfer to another customer needs evidence' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(GUARD)
    op.add_column("staff", sa.Column("password_until", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE staff SET password_until = now() + interval '7 days' WHERE must_change_password")
    op.drop_constraint("ck_sign_ins_outcome", "sign_ins")
    op.create_check_constraint(
        op.f("ck_sign_ins_outcome"), "sign_ins",
        "outcome IN ('expired', 'half', 'inactive', 'locked', 'signed_in', 'unknown', 'wrong')",
    )  # fmt: skip
