"""Spoofable request headers: a proxy, CDN or load balancer sets them, and the service behind it trusts them.

They contain the user's identity, the client's address, whether TLS or a client certificate was verified, or the path
under which the service is mounted. Any client could forge them, so they are forwarded only on routes that list them
in `forward_headers`. docs/headers.md lists them.
"""

# The user's identity.
_IDENTITY = (
    "auth-cn",  # LemonLDAP::NG
    "auth-groups",
    "auth-mail",
    "auth-user",
    "cas-user",
    "x-auth-audience",  # Louketo, Keycloak Gatekeeper
    "x-auth-email",
    "x-auth-groups",
    "x-auth-name",
    "x-auth-roles",
    "x-auth-subject",
    "x-auth-user",
    "x-auth-userid",
    "x-auth-username",
    "x-email",
    "x-groups",
    "x-id-token",  # APISIX, Kong
    "x-roles",
    "x-scope-orgid",  # Grafana Loki and Mimir
    "x-subject",
    "x-user",
    "x-userid",
    "x-userinfo",
    "x-username",
)
_IDENTITY_PREFIXES = (
    "auth-request-",
    "cf-",  # Cloudflare: Cf-Access-Authenticated-User-Email, CF-Connecting-IP
    "impersonate-",  # Kubernetes
    "iv-",  # IBM WebSEAL
    "mellon-",  # mod_auth_mellon
    "ms-aspnetcore-",  # IIS
    "ngrok-auth-",
    "oam-",  # Oracle Access Manager
    "oidc-",  # mod_auth_openidc
    "osso-",
    "remote-",  # Authelia, Tinyauth, Caddy: Remote-User, Remote-Groups
    "shib-",  # Shibboleth
    "sm-",  # SiteMinder
    "tailscale-",
    "teleport-",
    "x-amzn-ava-",  # AWS Verified Access
    "x-amzn-oidc-",  # AWS ALB
    "x-anonymous-",  # Kong
    "x-apigateway-",
    "x-appengine-",
    "x-auth-request-",  # oauth2-proxy
    "x-authelia-",
    "x-authenticated-",  # Kong, Squid
    "x-authentik-",
    "x-cloudtasks-",
    "x-consumer-",  # Kong
    "x-credential-identifier",
    "x-credential-username",
    "x-endpoint-api-",  # Google Cloud Endpoints
    "x-goog-",  # Google IAP
    "x-jwt-assertion",  # WSO2
    "x-jwt-claim",
    "x-jwt-payload",
    "x-ms-client-principal",  # Azure App Service
    "x-ms-token-",
    "x-pomerium-",
    "x-proxy-",  # OpenSearch
    "x-proxyuser-",
    "x-remote-",  # Kubernetes, Grafana: X-Remote-User, X-Remote-Group, X-Remote-Extra-*
    "x-saml-",
    "x-sandstorm-",
    "x-spiffe-",
    "x-sso-",  # Nexus
    "x-teleport-",
    "x-token-subject",  # caddy-security
    "x-token-user-",
    "x-vouch-",  # Vouch Proxy
    "x-webauth-",  # Grafana, Gitea
    "ynh-",  # YunoHost
)

# The client's address and connection.
_CLIENT = (
    "ali-cdn-real-ip",
    "cdn-src-ip",
    "cdn-user-ip",
    "client-ip",
    "do-connecting-ip",  # DigitalOcean
    "http-client-ip",
    "https",
    "incap-client-ip",  # Imperva
    "ssl",
    "true-client-ip",  # Akamai, Cloudflare
    "x-cdn-src-ip",
    "x-client-addr",
    "x-client-host",
    "x-client-ip",
    "x-client-port",
    "x-client-proto",
    "x-client-scheme",
    "x-client-src-ip",
    "x-cluster-client-ip",  # Rackspace, Riverbed
    "x-cluster-ip",
    "x-connecting-ip",
    "x-forwarded",
    "x-https",
    "x-originating-ip",
    "x-proto",
    "x-protocol",
    "x-realip",
    "x-scheme",
    "x-source-ip",
    "x-src-ip",
    "x-ssl",
    "x-tls",
    "x-true-client-ip",
    "x-true-ip",
    "x-url-scheme",
)
_CLIENT_PREFIXES = (
    "akamai-",
    "cloudfront-",
    "fastly-",
    "fly-",
    "forwarded-",
    "front-end-",  # Microsoft: Front-End-Https
    "http-x-forwarded-",
    "wl-",  # WebLogic: WL-Proxy-Client-IP, WL-Proxy-SSL
    "x-akamai-",
    "x-arr-",  # Azure
    "x-azure-",
    "x-envoy-",
    "x-forward-",
    "x-iisnode-",
    "x-nf-",  # Netlify
    "x-original-",
    "x-real-",
    "x-sucuri-",
    "x-vercel-",
)

# The verified client certificate.
_CERT = (
    "x-issuer-dn",
    "x-subject-dn",
)
_CERT_PREFIXES = (
    "client-cert",  # RFC 9440
    "l5d-",  # Linkerd
    "ssl-",  # ingress-nginx, Apache
    "tls-client-",
    "x-amzn-mtls-",
    "x-amzn-tls-",
    "x-client-cert",
    "x-client-dn",
    "x-client-issuer",
    "x-client-s-dn",
    "x-client-serial",
    "x-client-ssl",
    "x-client-subject",
    "x-client-tls",
    "x-client-verif",
    "x-clientcert",
    "x-mtls-",
    "x-peer-cert",
    "x-ssl-",
    "x-tls-",
)

# The path under which the service is mounted, and its files, hosts and internal requests.
_ROUTING = (
    "disguised-host",  # Azure App Service
    "host-override",
    "path-info",
    "script-name",
    "x-amzn-lambda-context",
    "x-amzn-request-context",
    "x-appservice-proto",
    "x-backend-host",
    "x-base-path",
    "x-context-path",
    "x-external-path",
    "x-external-url",
    "x-host",
    "x-host-override",
    "x-http-host",
    "x-http-host-override",
    "x-ingress-path",  # Home Assistant
    "x-path-info",
    "x-replaced-path",  # Traefik
    "x-script-name",
    "x-waws-unencoded-url",
)
_ROUTING_PREFIXES = (
    "x-accel-",  # Rack: X-Accel-Mapping chooses the files that it serves
    "x-invoke-",  # Next.js
    # Next.js: x-middleware-subrequest skipped its authorization (CVE-2025-29927). Its clients send -prefetch.
    "x-middleware-invoke",
    "x-middleware-next",
    "x-middleware-override-",
    "x-middleware-re",  # -redirect, -request-*, -rewrite
    "x-middleware-set-",
    "x-middleware-skip",
    "x-middleware-subrequest",
    "x-rewrite-",
    "x-sendfile",  # Rack: X-Sendfile-Type
)

SPOOFABLE_NAMES = frozenset((*_IDENTITY, *_CLIENT, *_CERT, *_ROUTING))
SPOOFABLE_PREFIXES = tuple(sorted((*_IDENTITY_PREFIXES, *_CLIENT_PREFIXES, *_CERT_PREFIXES, *_ROUTING_PREFIXES)))


def is_spoofable(name: str) -> bool:
    """Return whether the field `name` (in lower case) is spoofable."""
    return name in SPOOFABLE_NAMES or name.startswith(SPOOFABLE_PREFIXES)
