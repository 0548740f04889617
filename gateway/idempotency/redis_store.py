"""A store in Redis or Valkey: for processes on several machines. It needs the extra `redis`."""

import asyncio
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.idempotency.store import Record, State, StoreRefused, StoreUnavailable

LIMIT = 5.0
"""Seconds after which a request gives up."""
SOCKET_LIMIT = 2.0
"""Seconds for a connection, and for a reply."""
CONNECTIONS = 32
"""Maximum number of connections of a process. Each command takes less than a millisecond; others wait."""
CHECK_EVERY = 60.0
"""Seconds between two checks of the server's settings: they can be changed, and the server replaced."""
PREFIX = b"invitations-gateway:key:"
_FORGETS = "if the server ends, it forgets keys, and a retry could send a second time: set appendonly to yes"

# Redis repeats a script on its replicas by its effects. Its clock decides, so the gateways' clocks do not matter.
# Both scripts can be repeated without changing their result: the client does that if a connection was lost.
_CLAIM = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local fingerprint, owner, state, claimed, lease_ends, expires, id = unpack(
    redis.call('HMGET', KEYS[1], 'fingerprint', 'owner', 'state', 'claimed', 'lease_ends', 'expires', 'id'))
if not fingerprint then
    redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2], 'state', 'running', 'id', '',
        'claimed', string.format('%.6f', now), 'lease_ends', string.format('%.6f', now + ARGV[3]),
        'expires', string.format('%.6f', now + ARGV[4]))
    redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[4] * 1000))
    return {ARGV[2]}
end
if owner == ARGV[2] and state == 'running' then
    return {owner}
end
if state == 'running' and tonumber(lease_ends) <= now then
    state = 'unknown'
    redis.call('HSET', KEYS[1], 'state', state)
end
return {ARGV[2], fingerprint, owner, claimed, lease_ends, expires, state, id}
"""
_FINISH = """
local owner, state = unpack(redis.call('HMGET', KEYS[1], 'owner', 'state'))
if owner == ARGV[1] and state == 'running' then
    if ARGV[2] == '' then
        redis.call('DEL', KEYS[1])
    else
        redis.call('HSET', KEYS[1], 'state', ARGV[2], 'id', ARGV[3])
    end
end
return {ARGV[1]}
"""


class RedisStore:
    """Keeps each record in a hash that the server removes when it expires."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=LIMIT,
            socket_timeout=SOCKET_LIMIT,
            socket_connect_timeout=SOCKET_LIMIT,
            retry=Retry(NoBackoff(), 1),  # for a connection that the server closed while it was idle
        )
        self._redis = Redis.from_pool(pool)  # which it then closes
        self._claim = self._redis.register_script(_CLAIM)
        self._finish = self._redis.register_script(_FINISH)
        self._check_next = 0.0

    async def check(self) -> str | None:
        """Return a warning if a crash of the server loses keys.

        Raises StoreRefused if the server could evict keys, StoreUnavailable if it cannot be asked.
        """
        try:
            async with asyncio.timeout(LIMIT):
                info: dict[str, Any] = await self._redis.info()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise StoreUnavailable(_reason(error)) from None
        policy = info.get("maxmemory_policy")
        if policy != "noeviction":
            raise StoreRefused(f"its maxmemory-policy is {policy}, which forgets keys: set it to noeviction")
        self._check_next = asyncio.get_running_loop().time() + CHECK_EVERY
        return None if info.get("aof_enabled") else _FORGETS

    async def claim(self, name: bytes, record: Record) -> Record | None:
        """See `Store`."""
        if asyncio.get_running_loop().time() >= self._check_next:
            await self.check()
        lease, keep = record.lease_ends - record.claimed, record.expires - record.claimed
        found = await self._run(self._claim, name, record.owner, record.fingerprint, record.owner, lease, keep)
        if not found:
            return None
        fingerprint, owner, claimed, lease_ends, expires, state, id = found
        times = (float(claimed), float(lease_ends), float(expires))
        return Record(fingerprint, owner, *times, State(state.decode()), id.decode() or None)

    async def finish(self, name: bytes, owner: bytes, state: State | None, invitation_id: str | None = None) -> None:
        """See `Store`."""
        await self._run(self._finish, name, owner, owner, state or "", invitation_id or "")

    async def aclose(self) -> None:
        """See `Store`."""
        await self._redis.aclose()

    async def _run(self, script: Any, name: bytes, owner: bytes, *arguments: bytes | float | str) -> list[bytes]:
        """Return the script's reply without its first item, which shows that it is the reply to this call."""
        try:
            async with asyncio.timeout(LIMIT):
                reply: list[bytes] = await script(keys=[PREFIX + name], args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(_reason(error)) from None
        if reply[0] != owner:
            await self._redis.connection_pool.disconnect()
            raise StoreUnavailable("it sent the reply to another command")
        return reply[1:]


def _reason(error: Exception) -> str:
    """Return what failed. The error's own text could have the server's address."""
    return f"Redis {type(error).__name__}"
