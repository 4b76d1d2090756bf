# One image per service, with only that service's code and requirements:
#   docker build --build-arg SERVICE=gateway --tag sallyport-gateway .
FROM python:3.14-slim
ARG SERVICE
ENV SERVICE=$SERVICE \
    APP_ENV=production \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY requirements/${SERVICE}.txt requirements.txt
RUN python -m pip install --require-hashes --only-binary=:all: --requirement requirements.txt
COPY contract/ contract/
COPY chassis/ chassis/
COPY ${SERVICE}/ ${SERVICE}/
COPY packages/sallyport-service/src/ .
# Of the services only resource_service uses sallyport_service.
# The root file system is read-only at run time, so Python files are compiled now.
RUN if [ "$SERVICE" != resource_service ]; then rm -r sallyport_service; fi && python -m compileall -q . && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin sallyport
USER 10001:10001
EXPOSE 8000
CMD ["sh", "-c", "exec gunicorn -c python:$SERVICE.gunicorn_conf"]
