# One image per service, with only that service's code and requirements, and doctor:
#   docker build --build-arg SERVICE=gateway --tag sallyport-gateway .
# With `--build-arg COMPILED=on`, the gateway is compiled (docs/decisions/0038).
FROM python:3.14-slim AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1

# Makes /build/build/compiled: the code of the image.
FROM python AS code
ARG SERVICE
ARG COMPILED=off
WORKDIR /build
COPY requirements/*.txt requirements/
RUN if [ "$SERVICE $COMPILED" = "gateway on" ]; then \
        apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && \
        python -m pip install --require-hashes --only-binary=:all: --requirement requirements/gateway.txt --requirement requirements/compile.txt; \
    fi
COPY pyproject.toml .
COPY compilation/ compilation/
COPY contract/ contract/
COPY chassis/ chassis/
COPY doctor/ doctor/
COPY ${SERVICE}/ ${SERVICE}/
COPY packages/sallyport-service/src/ .
# Of the services only resource_service uses sallyport_service.
RUN if [ "$SERVICE $COMPILED" = "gateway on" ]; then \
        python -m compilation; \
    else \
        mkdir -p build/compiled && cp -r contract chassis "$SERVICE" build/compiled/; \
    fi && \
    cp -r doctor build/compiled/ && \
    if [ "$SERVICE" = resource_service ]; then cp -r sallyport_service build/compiled/; fi

# Makes /venv: the packages of the service, without pip.
FROM python AS packages
ARG SERVICE
# `--build-arg TRACING=1` adds the packages for traces.
ARG TRACING=
COPY requirements/${SERVICE}.txt requirements.txt
COPY requirements/tracing.txt tracing.txt
RUN python -m venv --without-pip /venv && \
    python -m pip --python /venv/bin/python install --require-hashes --only-binary=:all: \
        --requirement requirements.txt ${TRACING:+--requirement tracing.txt}

FROM python
ARG SERVICE
ARG VERSION=1.0.0
# The address of the repository that the image is built from.
ARG SOURCE=
LABEL org.opencontainers.image.title="sallyport-$SERVICE" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.licenses="MIT"
ENV SERVICE=$SERVICE \
    APP_ENV=production \
    PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /app
RUN python -m pip uninstall --yes pip && \
    useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin sallyport
COPY --from=packages /venv/ /venv/
COPY --from=code /build/build/compiled/ .
# The root file system is read-only at run time, so bytecode is written now.
RUN python -m compileall -q .
USER 10001:10001
EXPOSE 8000
CMD ["sh", "-c", "exec gunicorn -c python:$SERVICE.gunicorn_conf"]
