"""The sandbox's own `pulumi-resource-aws`: the types of pulumi-aws that the Pulumi program uses, at the local cloud.

    server      the plugin process: prints its port, serves gRPC
    servicer    provider protocol (`pulumirpc.ResourceProvider`) to plain Python values and back
    provider    what an operation means for any type: check, diff, create, read, update, delete
    schema      what a type declares: inputs, outputs, tags
    services/   the types, one file a cloud service
    cloud       boto3 clients at the configured endpoint, errors that name service and action

It never talks to the real cloud: an endpoint that is not on loopback is refused.
"""
