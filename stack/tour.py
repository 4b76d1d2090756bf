"""A tour of the running system: shell commands to paste into a terminal, all at once or one by one."""

_TOUR = r"""
GATEWAY={url}
EMAIL=ann-$(date +%s)@example.com
PASSWORD=sally-port-$(date +%s)

echo '1. Register and log in'
curl -s $GATEWAY/auth/users/ -d email=$EMAIL -d password=$PASSWORD -d first_name=Ann; echo
TOKENS=$(curl -s $GATEWAY/auth/jwt/create/ -d email=$EMAIL -d password=$PASSWORD)
token() {{ printf %s "$TOKENS" | sed "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/"; }}
ACCESS=$(token access) REFRESH=$(token refresh)

echo '2. Call a service. The gateway sends it your identity and not your token'
curl -s $GATEWAY/api/whoami -H "Authorization: Bearer $ACCESS"; echo
curl -s $GATEWAY/api/notes/ -H "Authorization: Bearer $ACCESS" -H 'Content-Type: application/json' \
  -d '{{"title": "First", "body": "Behind two doors"}}'; echo
curl -s $GATEWAY/api/notes/ -H "Authorization: Bearer $ACCESS"; echo

echo '3. A forged token is refused, and so is a request without a token'
curl -s -w ' -> %{{http_code}}\n' $GATEWAY/api/whoami -H "Authorization: Bearer ${{ACCESS%.*}}.c2lnbmVkLWJ5LW1l"
curl -s -w ' -> %{{http_code}}\n' $GATEWAY/api/whoami

echo '4. Identity headers of a client change nothing'
curl -s $GATEWAY/api/whoami -H "Authorization: Bearer $ACCESS" \
  -H 'X-User-Id: 1' -H 'X-User-Roles: staff' -H 'X-Identity: me'; echo

echo '5. Refresh: both tokens are new'
USED=$REFRESH
TOKENS=$(curl -s $GATEWAY/auth/jwt/refresh/ -d refresh=$USED)
ACCESS=$(token access) REFRESH=$(token refresh)
curl -s -o /dev/null -w 'the new access token -> %{{http_code}}\n' \
  $GATEWAY/api/whoami -H "Authorization: Bearer $ACCESS"
"""

_WITHIN_GRACE = r"""
echo '6. For {grace} s the used token returns the same successor, so a lost response does not log you out'
curl -s $GATEWAY/auth/jwt/refresh/ -d refresh=$USED | grep -c "$REFRESH" | sed 's/^1$/the same successor/'
TOKENS=$(curl -s $GATEWAY/auth/jwt/refresh/ -d refresh=$REFRESH)
ACCESS=$(token access)
sleep {pause}
"""

_REPLAY = r"""
echo '7. After that, the used token is a replay: it is refused, and the session ends'
curl -s -w ' -> %{{http_code}}\n' $GATEWAY/auth/jwt/refresh/ -d refresh=$USED
sleep 1
curl -s -w ' -> %{{http_code}}\n' $GATEWAY/api/whoami -H "Authorization: Bearer $ACCESS"
"""


def make_tour(url: str, grace: int) -> str:
    """Return the tour for the gateway at `url`. It needs curl and sed. `grace` is REFRESH_GRACE in seconds."""
    parts = [_TOUR, *([_WITHIN_GRACE] if grace else []), _REPLAY]
    return "".join(parts).format(url=url, grace=grace, pause=grace + 1)
