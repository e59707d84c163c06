-- Texts come as the bytes they were sent as, whatever their encoding.
INSERT INTO binding (
    aor, key, instance, reg_id, contact, params, path, flow, q, expires, updated, call_id, cseq, user_agent,
    flow_timer
) VALUES (
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),
    CAST(? AS TEXT), ?, ?, ?, CAST(? AS TEXT), ?, CAST(? AS TEXT), ?
) ON CONFLICT (aor, key) DO UPDATE SET
    instance = excluded.instance, reg_id = excluded.reg_id, contact = excluded.contact, params = excluded.params,
    path = excluded.path, flow = excluded.flow, q = excluded.q, expires = excluded.expires,
    updated = excluded.updated, call_id = excluded.call_id, cseq = excluded.cseq, user_agent = excluded.user_agent,
    flow_timer = excluded.flow_timer
