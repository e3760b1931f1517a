# The app, with its store on a volume:
#
#   docker build -t mipro-studio .
#   docker run -p 127.0.0.1:8501:8501 -v mipro-studio:/store mipro-studio
#
# Inside a container the app listens on every address, so it takes samples and programs without code from the browser,
# and no programs, paths or keys of yours (docs/container.md): run those from the command line in the same container,
#
#   docker run -v mipro-studio:/store -v "$PWD":/work -e OPENAI_API_KEY mipro-studio mipro-studio run triage.py ...
#
# or let the app share the host's own loopback, where it takes everything:
#
#   docker run --network host -v mipro-studio:/store -v "$PWD":/work mipro-studio mipro-studio app
#
# The image that it stands on, from 3.11 up, is `--build-arg BASE=...` where a mirror has it under another name.
ARG BASE=python:3.12-slim
FROM ${BASE} AS build
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-deps --wheel-dir /wheels .

FROM ${BASE}
RUN useradd --create-home --uid 1000 studio && mkdir -p /store /work && chown studio /store /work
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --only-binary=:all: /wheels/*.whl && rm -r /wheels
USER studio
WORKDIR /work
ENV MIPRO_STUDIO_STORE=/store/studio.db \
    XDG_CACHE_HOME=/store/cache \
    PYTHONUNBUFFERED=1
VOLUME ["/store"]
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health')"]
CMD ["mipro-studio", "app", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]
