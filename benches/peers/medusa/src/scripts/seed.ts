// What a buyer needs to reach the last button: a region, a warehouse, a way of sending, a key for the store, and SKUs with
// units. Their ids go to catalogue.json.
import { writeFileSync } from "node:fs"
import { ContainerRegistrationKeys, Modules, ProductStatus } from "@medusajs/framework/utils"
import {
  createApiKeysWorkflow,
  createInventoryLevelsWorkflow,
  createProductsWorkflow,
  createRegionsWorkflow,
  createSalesChannelsWorkflow,
  createShippingOptionsWorkflow,
  createShippingProfilesWorkflow,
  createStockLocationsWorkflow,
  createTaxRegionsWorkflow,
  linkSalesChannelsToApiKeyWorkflow,
  linkSalesChannelsToStockLocationWorkflow,
} from "@medusajs/medusa/core-flows"

export default async function seed({ container }) {
  const link = container.resolve(ContainerRegistrationKeys.LINK)
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const fulfilment = container.resolve(Modules.FULFILLMENT)
  const run = async (workflow, input) => (await workflow(container).run({ input })).result

  const [channel] = await run(createSalesChannelsWorkflow, { salesChannelsData: [{ name: "Race" }] })
  const [region] = await run(createRegionsWorkflow, {
    regions: [{ name: "US", currency_code: "usd", countries: ["us"], payment_providers: ["pp_system_default"] }],
  })
  await run(createTaxRegionsWorkflow, [{ country_code: "us", provider_id: "tp_system" }])

  const [warehouse] = await run(createStockLocationsWorkflow, {
    locations: [{ name: "Reno", address: { address_1: "1 Example Street", city: "Reno", country_code: "US" } }],
  })
  const known = await fulfilment.listShippingProfiles({ type: "default" })
  const [profile] = known.length
    ? known
    : await run(createShippingProfilesWorkflow, { data: [{ name: "Default", type: "default" }] })
  const set = await fulfilment.createFulfillmentSets({
    name: "Parcels",
    type: "shipping",
    service_zones: [{ name: "US", geo_zones: [{ type: "country", country_code: "us" }] }],
  })
  const from = { [Modules.STOCK_LOCATION]: { stock_location_id: warehouse.id } }
  await link.create({ ...from, [Modules.FULFILLMENT]: { fulfillment_provider_id: "manual_manual" } })
  await link.create({ ...from, [Modules.FULFILLMENT]: { fulfillment_set_id: set.id } })
  const rule = (attribute, value) => ({ attribute, value, operator: "eq" })
  const [shipping] = await run(createShippingOptionsWorkflow, [
    {
      name: "Standard",
      price_type: "flat",
      provider_id: "manual_manual",
      service_zone_id: set.service_zones[0].id,
      shipping_profile_id: profile.id,
      type: { label: "Standard", description: "Standard", code: "standard" },
      prices: [{ currency_code: "usd", amount: 5 }],
      rules: [rule("enabled_in_store", "true"), rule("is_return", "false")],
    },
  ])
  await run(linkSalesChannelsToStockLocationWorkflow, { id: warehouse.id, add: [channel.id] })
  const [key] = await run(createApiKeysWorkflow, {
    api_keys: [{ title: "race", type: "publishable", created_by: "" }],
  })
  await run(linkSalesChannelsToApiKeyWorkflow, { id: key.id, add: [channel.id] })

  const skus = process.env.RACE_SKUS.split(" ")
  const product = (sku) => ({
    title: sku,
    handle: sku.toLowerCase(),
    status: ProductStatus.PUBLISHED,
    shipping_profile_id: profile.id,
    sales_channels: [{ id: channel.id }],
    options: [{ title: "Size", values: ["One"] }],
    variants: [
      { title: "One", sku, manage_inventory: true, options: { Size: "One" }, prices: [{ currency_code: "usd", amount: 10 }] },
    ],
  })
  await run(createProductsWorkflow, { products: skus.map(product) })
  const { data: items } = await query.graph({ entity: "inventory_item", fields: ["id", "sku"] })
  const level = (item) => ({
    inventory_item_id: item.id,
    location_id: warehouse.id,
    stocked_quantity: Number(process.env.RACE_UNITS),
  })
  await run(createInventoryLevelsWorkflow, { inventory_levels: items.map(level) })
  const { data: variants } = await query.graph({ entity: "product_variant", fields: ["id", "sku"] })
  const catalogue = {
    key: key.token,
    region: region.id,
    shipping: shipping.id,
    variants: Object.fromEntries(variants.map((variant) => [variant.sku, variant.id])),
  }
  writeFileSync(process.env.RACE_CATALOGUE, JSON.stringify(catalogue))
}
