# The image of a Ray cluster's nodes: Ray's own, with this package and its model.
#   docker build -f deploy/ray.Dockerfile -t ner-service-ray .
ARG BASE_IMAGE=rayproject/ray:2.60.0-py311
FROM ${BASE_IMAGE}
COPY --chown=ray . /home/ray/ner-service
RUN pip install --no-cache-dir --constraint /home/ray/ner-service/constraints.txt \
        "/home/ray/ner-service[batch,ray]" \
    && rm -rf /home/ray/ner-service
